import { startProgram, tempDir } from '@rbee/testing';

/** A real browser without a window, told what to do by its DevTools protocol. */
export interface Browser {
  /** Opens an address and waits until the page has loaded. */
  open(url: string): Promise<Page>;
  close(): Promise<void>;
}

interface Page {
  /** Runs the body of an async function in the page; the answer is what it returns, which must be JSON. */
  run(body: string): Promise<unknown>;
}

interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly sessionId?: string;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

const startLimitMs = 60_000;
/** Nothing that asks for Google's servers, which a test must not. */
const flags = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync', '--remote-debugging-port=0'],
];

export async function startBrowser(command: string): Promise<Browser> {
  const profile = await tempDir();
  const program = await startProgram({ command, args: [...flags, `--user-data-dir=${profile.path}`, 'about:blank'] });
  const address = () => /DevTools listening on (ws:\S+)/.exec(program.stderr())?.[1];
  await program.waitFor(() => address() !== undefined, 'the browser to listen', { timeoutMs: startLimitMs });
  const { call, onEvent, close } = await connect(String(address()));
  return {
    async open(url) {
      const { targetId } = await call('Target.createTarget', { url: 'about:blank' });
      const attached = await call('Target.attachToTarget', { targetId, flatten: true });
      const sessionId = String(attached['sessionId']);
      await call('Page.enable', {}, sessionId);
      const loaded = onEvent('Page.loadEventFired', sessionId);
      await call('Page.navigate', { url }, sessionId);
      await loaded;
      return {
        async run(body) {
          const expression = `(async () => { ${body} })()`;
          const asked = { expression, awaitPromise: true, returnByValue: true };
          const { result, exceptionDetails } = await call('Runtime.evaluate', asked, sessionId);
          if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
          return (result as { value?: unknown }).value;
        },
      };
    },
    async close() {
      close();
      await program.kill();
      await profile.remove();
    },
  };
}

async function connect(url: string) {
  const socket = new WebSocket(url);
  const answers = new Map<number, PromiseWithResolvers<Record<string, unknown>>>();
  const events = new Map<string, () => void>();
  let lastId = 0;
  socket.addEventListener('message', ({ data }) => {
    const { id, method, sessionId, result = {}, error }: Answer = JSON.parse(String(data));
    if (method !== undefined) events.get(`${sessionId} ${method}`)?.();
    const answer = answers.get(id ?? 0);
    answers.delete(id ?? 0);
    if (error === undefined) answer?.resolve(result);
    else answer?.reject(new Error(error.message));
  });
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', () => reject(new Error('the browser does not answer')));
  });
  return {
    call(method: string, params: object, sessionId?: string): Promise<Record<string, unknown>> {
      lastId += 1;
      const answer = Promise.withResolvers<Record<string, unknown>>();
      answers.set(lastId, answer);
      socket.send(JSON.stringify({ id: lastId, method, params, sessionId }));
      return answer.promise;
    },
    onEvent: (method: string, sessionId: string) =>
      new Promise<void>((resolve) => events.set(`${sessionId} ${method}`, resolve)),
    close: () => socket.close(),
  };
}
