/** A JSON request to a daemon. */
export async function api(
  method: string,
  url: string,
  body?: unknown,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(url, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** The ids of an accepted download. */
export interface Started {
  readonly job_id: string;
  readonly download_id: string;
}

export async function startDownload(
  daemonUrl: string,
  model: string,
  more: Record<string, unknown> = {},
): Promise<Started> {
  const { status, body } = await api('POST', `${daemonUrl}/v1/jobs`, { operation: 'model_download', model, ...more });
  if (status !== 202) throw new Error(`not accepted: ${status} ${JSON.stringify(body)}`);
  return body as unknown as Started;
}
