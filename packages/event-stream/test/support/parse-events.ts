export interface ParsedEvent {
  event: string | undefined;
  data: string;
  id: string | undefined;
}

export interface ParsedStream {
  events: ParsedEvent[];
  comments: string[];
  retries: number[];
  /** What came after the last blank line. */
  rest: string;
}

/** A second, plain reading of the format, line by line, to check the writer against. */
export function parseEvents(text: string): ParsedStream {
  const parsed: ParsedStream = { events: [], comments: [], retries: [], rest: '' };
  const lines = text.split(/\r\n|\n|\r/);
  let data: string[] = [];
  let event: string | undefined;
  let id: string | undefined;
  for (const line of lines.slice(0, -1)) {
    const [, name = '', value = ''] = /^([^:]*):? ?(.*)$/su.exec(line) ?? [];
    if (line === '') {
      if (data.length > 0) parsed.events.push({ event, data: data.join('\n'), id });
      data = [];
      event = undefined;
    } else if (name === '') parsed.comments.push(value);
    else if (name === 'data') data.push(value);
    else if (name === 'event') event = value;
    else if (name === 'id') id = value;
    else if (name === 'retry') parsed.retries.push(Number(value));
    else throw new Error(`unknown line ${JSON.stringify(line)}`);
  }
  parsed.rest = data.length > 0 ? data.join('\n') : (lines.at(-1) ?? '');
  return parsed;
}
