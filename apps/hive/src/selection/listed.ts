const MAX_LIST_CHARACTERS = 600;
const MAX_NAME_CHARACTERS = 96;

/** Names as one line of limited length. */
export function listed(names: readonly string[]): string {
  let text = '';
  for (const [index, name] of names.entries()) {
    const next = `${index === 0 ? '' : ', '}${shortened(name)}`;
    if (text.length + next.length > MAX_LIST_CHARACTERS) return `${text} and ${names.length - index} more`;
    text += next;
  }
  return text;
}

/** A name that is safe to print: a repo may hold any characters. */
export function shortened(name: string): string {
  const text = name.length > MAX_NAME_CHARACTERS ? `…${name.slice(1 - MAX_NAME_CHARACTERS)}` : name;
  return text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
}
