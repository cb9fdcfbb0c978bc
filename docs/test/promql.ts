/** What a query of Prometheus asks for: the names of its metrics, and of the labels it sorts or sums by. */
export interface Asked {
  readonly metrics: readonly string[];
  readonly labels: readonly string[];
}

const KEYWORDS = ['and', 'or', 'unless', 'on', 'ignoring', 'by', 'without', 'bool', 'Inf', 'offset'];

export function askedBy(query: string): Asked {
  const labels = new Set<string>();
  const bare = query
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
    .replaceAll(/\[[^\]]*\]/g, '')
    .replaceAll(/\{([^}]*)\}/g, (_, matchers: string) => {
      for (const [, label = ''] of matchers.matchAll(/([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)/g)) labels.add(label);
      return '';
    })
    .replaceAll(/\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g, (_, names: string) => {
      for (const name of names.split(',')) labels.add(name.trim());
      return '';
    });
  const words = [...bare.matchAll(/(?<![\w.])([a-zA-Z_]\w*)(?!\w*\s*\()/g)].map(([, word = '']) => word);
  return { metrics: [...new Set(words.filter((word) => !KEYWORDS.includes(word)))], labels: [...labels] };
}
