# Two images from one build: `docker build --target hive .` and `docker build --target queen .`
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY . .
RUN node scripts/setup.mjs && node scripts/pack.mjs /packed
RUN mkdir /app && cd /app && npm install --omit=dev --no-audit --no-fund /packed/*.tgz

FROM node:24-bookworm-slim AS runtime
COPY --from=build /app /app
# The hub's cache and what lies beside it in /models, history in /state: whoever runs the image owns both.
RUN mkdir -p /models/hub /state && chown -R node:node /models /state
ENV PATH=/app/node_modules/.bin:$PATH HF_HUB_CACHE=/models/hub XDG_STATE_HOME=/state
USER node
WORKDIR /app
STOPSIGNAL SIGTERM

FROM runtime AS queen
# Others reach it here, so it wants RBEE_API_TOKEN.
ENV RBEE_QUEEN_HOST=0.0.0.0
VOLUME ["/state"]
EXPOSE 7833
HEALTHCHECK --interval=30s --timeout=5s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.RBEE_QUEEN_PORT || 7833}/health`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["rbee-queen"]

FROM runtime AS hive
ENV RBEE_HIVE_HOST=0.0.0.0
VOLUME ["/models", "/state"]
EXPOSE 7835
HEALTHCHECK --interval=30s --timeout=5s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.RBEE_HIVE_PORT || 7835}/health`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["rbee-hive"]
