import { printable } from './text.ts';

interface StoredQueen {
  readonly name: string;
  readonly queen_url: string;
  readonly file: string;
  readonly has_token: boolean;
}

export function loginText({ name, queen_url: url, file, has_token: hasToken }: StoredQueen): string {
  const token = hasToken ? 'with its token' : 'which needs no token';
  return `${printable(`stored ${url}, ${token}, as "${name}" in ${file}; it is the default now`)}\n`;
}
