import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HfRef, type ModelRef, parseModelRef, printModelRef, RbeeError, shortNameOf } from '../src/index.ts';

const SHA256 = 'ab'.repeat(32);

const hf = (fields: Partial<HfRef> & { repo: string }): HfRef => ({
  scheme: 'hf',
  revision: 'main',
  files: [],
  include: [],
  exclude: [],
  quant: null,
  ...fields,
});

/** The refusal of a ref; fails where the ref is read or where anything else is thrown. */
function refusalOf(text: string): RbeeError {
  try {
    parseModelRef(text);
  } catch (error) {
    expect(error).toBeInstanceOf(RbeeError);
    if (error instanceof RbeeError) {
      expect(error.code).toBe('MODEL_REF_INVALID');
      return error;
    }
  }
  throw new Error(`${JSON.stringify(text)} was read as a ref`);
}

describe('the forms of a model ref', () => {
  const forms: [text: string, ref: ModelRef, canonical: string][] = [
    ['hf:org/repo::file=a.gguf', hf({ repo: 'org/repo', files: ['a.gguf'] }), 'hf:org/repo::file=a.gguf'],
    [
      'hf:org/repo@v1.0::file=dir/a.gguf::file=b.json',
      hf({ repo: 'org/repo', revision: 'v1.0', files: ['dir/a.gguf', 'b.json'] }),
      'hf:org/repo@v1.0::file=dir/a.gguf::file=b.json',
    ],
    [
      'hf:org/repo@refs/pr/7::include=*.json::include=a/**::exclude=*.bin',
      hf({ repo: 'org/repo', revision: 'refs/pr/7', include: ['*.json', 'a/**'], exclude: ['*.bin'] }),
      'hf:org/repo@refs/pr/7::include=*.json::include=a/**::exclude=*.bin',
    ],
    ['hf:org/repo', hf({ repo: 'org/repo' }), 'hf:org/repo'],
    ['hf:org/repo@main', hf({ repo: 'org/repo' }), 'hf:org/repo'],
    ['hf:org/repo:q4_k_m', hf({ repo: 'org/repo', quant: 'Q4_K_M' }), 'hf:org/repo:Q4_K_M'],
    [
      'hf:org/repo@dev:UD-Q4_K_XL',
      hf({ repo: 'org/repo', revision: 'dev', quant: 'UD-Q4_K_XL' }),
      'hf:org/repo@dev:UD-Q4_K_XL',
    ],
    ['HF:Org/Repo.v2', hf({ repo: 'Org/Repo.v2' }), 'hf:Org/Repo.v2'],
    ['org/repo', hf({ repo: 'org/repo' }), 'hf:org/repo'],
    ['org/repo:Q8_0', hf({ repo: 'org/repo', quant: 'Q8_0' }), 'hf:org/repo:Q8_0'],
    ['org/repo:i1-Q4_K_M', hf({ repo: 'org/repo', quant: 'I1-Q4_K_M' }), 'hf:org/repo:I1-Q4_K_M'],
    [
      'org/repo:Q8_0::exclude=mmproj*',
      hf({ repo: 'org/repo', quant: 'Q8_0', exclude: ['mmproj*'] }),
      'hf:org/repo:Q8_0::exclude=mmproj*',
    ],
    ['org/repo:file.gguf', hf({ repo: 'org/repo', files: ['file.gguf'] }), 'hf:org/repo::file=file.gguf'],
    ['org/repo:a/b.gguf', hf({ repo: 'org/repo', files: ['a/b.gguf'] }), 'hf:org/repo::file=a/b.gguf'],
    [
      'org/repo::file=a@b=c d.gguf',
      hf({ repo: 'org/repo', files: ['a@b=c d.gguf'] }),
      'hf:org/repo::file=a@b=c d.gguf',
    ],
    ['https://host/a/b.gguf', { scheme: 'https', url: 'https://host/a/b.gguf', sha256: null }, 'https://host/a/b.gguf'],
    [
      `HTTPS://Host:443/b.gguf?x=1#part::sha256=${SHA256.toUpperCase()}`,
      { scheme: 'https', url: 'https://host/b.gguf?x=1', sha256: SHA256 },
      `https://host/b.gguf?x=1::sha256=${SHA256}`,
    ],
    [
      'http://127.0.0.1:8080/b.gguf',
      { scheme: 'http', url: 'http://127.0.0.1:8080/b.gguf', sha256: null },
      'http://127.0.0.1:8080/b.gguf',
    ],
    [
      `https://[2001:db8::1]:8443/b.gguf::sha256=${SHA256}`,
      { scheme: 'https', url: 'https://[2001:db8::1]:8443/b.gguf', sha256: SHA256 },
      `https://[2001:db8::1]:8443/b.gguf::sha256=${SHA256}`,
    ],
    ['http://[::1]/b', { scheme: 'http', url: 'http://[::1]/b', sha256: null }, 'http://[::1]/b'],
    [
      'ollama:qwen3',
      { scheme: 'ollama', host: null, namespace: 'library', name: 'qwen3', tag: 'latest' },
      'ollama:qwen3',
    ],
    [
      'ollama:library/qwen3:0.6b',
      { scheme: 'ollama', host: null, namespace: 'library', name: 'qwen3', tag: '0.6b' },
      'ollama:qwen3:0.6b',
    ],
    [
      'ollama:someone/qwen3:latest',
      { scheme: 'ollama', host: null, namespace: 'someone', name: 'qwen3', tag: 'latest' },
      'ollama:someone/qwen3',
    ],
    [
      'ollama:hf.co/org/repo-GGUF:Q4_K_M',
      { scheme: 'ollama', host: 'hf.co', namespace: 'org', name: 'repo-GGUF', tag: 'Q4_K_M' },
      'ollama:hf.co/org/repo-GGUF:Q4_K_M',
    ],
    [
      'ollama:127.0.0.1:5000/tiny:v1',
      { scheme: 'ollama', host: '127.0.0.1:5000', namespace: 'library', name: 'tiny', tag: 'v1' },
      'ollama:127.0.0.1:5000/library/tiny:v1',
    ],
    [
      'ollama:LocalHost/tiny',
      { scheme: 'ollama', host: 'localhost', namespace: 'library', name: 'tiny', tag: 'latest' },
      'ollama:localhost/library/tiny',
    ],
    ['file:///models/a b%20c.gguf', { scheme: 'file', path: '/models/a b%20c.gguf' }, 'file:///models/a b%20c.gguf'],
    ['FILE:///a', { scheme: 'file', path: '/a' }, 'file:///a'],
  ];

  it.each(forms)('%s is read and printed as documented', (text, ref, canonical) => {
    expect(parseModelRef(text)).toEqual(ref);
    expect(printModelRef(ref)).toBe(canonical);
  });
});

describe('what is refused', () => {
  const bad: [what: string, text: string][] = [
    ['nothing', ''],
    ['a blank', ' '],
    ['513 characters', `hf:org/${'r'.repeat(506)}`],
    ['a text that is too long once it is canonical', `org/repo:${'dir/'.repeat(124)}a.bin`],
    ['a URL that is too long once it is encoded', `https://host/${'é'.repeat(1_400)}`],
    ['one part only, without a scheme', 'repo'],
    ['three parts', 'hf:org/sub/repo'],
    ['an empty part', 'hf:org/'],
    ['a leading blank', ' hf:org/repo'],
    ['a name the hub refuses: two dashes', 'hf:org/re--po'],
    ['a name the hub refuses: a dot at the end', 'hf:org/repo.'],
    ['a name the hub refuses: .git', 'hf:org/repo.git'],
    ['an unknown scheme', 'ftp://host/a.gguf'],
    ['an s3 URL', 's3:bucket/key'],
    ['an empty revision', 'hf:org/repo@'],
    ['a revision with an empty part', 'hf:org/repo@a//b'],
    ['a revision that git refuses: .lock', 'hf:org/repo@main.lock'],
    ['a revision that git refuses: a hidden part', 'hf:org/repo@a/.b'],
    ['a revision with a part no file system takes', `hf:org/repo@${'r'.repeat(256)}`],
    ['an empty quantisation', 'hf:org/repo:'],
    ['two suffixes', 'hf:org/repo:Q4_0:Q8_0'],
    ['a quantisation and another exclude', 'hf:org/repo:Q8_0::exclude=mmproj*::exclude=*.md'],
    ['a quantisation and an include', 'hf:org/repo:Q8_0::include=mmproj*'],
    ['a file and a glob', 'hf:org/repo::file=a::include=b'],
    ['a quantisation and a file', 'hf:org/repo:Q4_0::file=a'],
    ['a quantisation and a glob', 'hf:org/repo:Q4_0::exclude=a'],
    ['the same file twice', 'hf:org/repo::file=a::file=a'],
    ['the same file twice in two forms', 'org/repo:a.gguf::file=a.gguf'],
    ['an unknown option of a hub', 'hf:org/repo::sha256=abc'],
    ['an option without a value', 'hf:org/repo::file='],
    ['an option without a name', 'hf:org/repo::=a'],
    ['an option in another case', 'hf:org/repo::File=a'],
    ['an absolute path', 'hf:org/repo::file=/etc/passwd'],
    ['a drive letter', 'hf:org/repo::file=C:/a.gguf'],
    ['a drive letter without a slash', 'hf:org/repo::file=c:a.gguf'],
    ['a full-width drive letter', 'hf:org/repo::file=\uff23\uff1a/a.gguf'],
    ['a glob that leaves the repo', 'hf:org/repo::include=a/../*'],
    ['an absolute glob', 'hf:org/repo::exclude=/*'],
    ['a path of empty parts', 'hf:org/repo::file=a//b'],
    ['a path that ends in a slash', 'hf:org/repo::file=a/'],
    ['a path with a part of one dot', 'hf:org/repo::file=./a'],
    ['a path with a part longer than 255 bytes', `hf:org/repo::file=${'é'.repeat(128)}`],
    ['an incomplete URL', 'https:///a.gguf'],
    ['a URL with one slash', 'https:/host/a.gguf'],
    ['a URL without a host', 'https://'],
    ['a URL with a bad port', 'https://host:99999/a'],
    ['a URL whose host is two dots', 'https://../a'],
    ['a URL whose host folds to two dots', 'https://\uff0e\uff0e/a'],
    ['a URL with an empty user name', 'https://@host/a'],
    ['an unknown option of a URL', 'https://host/a::file=b'],
    ['a short sha256', 'https://host/a::sha256=abc'],
    ['a sha256 with a letter too many', `https://host/a::sha256=${SHA256}0`],
    ['a sha256 that is not hex', `https://host/a::sha256=${'g'.repeat(64)}`],
    ['an empty sha256', 'https://host/a::sha256='],
    ['two digests', `https://host/a::sha256=${SHA256}::sha256=${SHA256}`],
    ['an encoded NUL in a URL', 'https://host/a%00.gguf'],
    ['an encoded newline in a URL', 'https://host/a%0d%0aHost:b'],
    ['no name in a registry', 'ollama:'],
    ['an empty tag', 'ollama:qwen3:'],
    ['two tags', 'ollama:qwen3:a:b'],
    ['four parts in a registry', 'ollama:host/a/b/c'],
    ['an empty namespace', 'ollama:host.example//name'],
    ['a namespace with a dot', 'ollama:host.example/a.b/name'],
    ['a registry host with a bad port', 'ollama:host:70000/a/b'],
    ['a registry host that is a path', 'ollama:./a/b'],
    ['a registry URL', 'ollama:https://host/a/b'],
    ['an option of a registry', 'ollama:qwen3::sha256=abc'],
    ['a relative file', 'file:a.gguf'],
    ['a file on another machine', 'file://host/a.gguf'],
    ['a file with options', `file:///a::sha256=${SHA256}`],
    ['the root folder', 'file:///'],
    ['a file path of two slashes', 'file:////a'],
    ['a lone surrogate', 'hf:org/repo::file=a\ud800b'],
    ['a lone surrogate at the end', 'https://host/a\udfff'],
  ];

  it.each(bad)('%s is refused', (_, text) => {
    expect(refusalOf(text).hint).toBeTruthy();
  });

  it.each([
    ['https://host/', 8_192],
    ['http://host/', 8_192],
    ['file:///', 512],
  ])('[C6] takes a ref %s… of %i characters, the longest there is', (start, most) => {
    const path = 'a/'.repeat(most).slice(0, most - start.length - 1);
    const text = `${start}${path}b`;
    expect(printModelRef(parseModelRef(text))).toBe(text);
    refusalOf(`${text}a`);
  });

  const characters: [name: string, character: string][] = [
    ['NUL', '\0'],
    ['a tab', '\t'],
    ['a line feed', '\n'],
    ['a carriage return', '\r'],
    ['escape', '\u001b'],
    ['DEL', '\u007f'],
    ['a C1 control', '\u009b'],
    ['a line separator', '\u2028'],
    ['a paragraph separator', '\u2029'],
    ['a right-to-left override', '\u202e'],
    ['a bidirectional isolate', '\u2066'],
    ['an Arabic letter mark', '\u061c'],
    ['a zero-width space', '\u200b'],
    ['a word joiner', '\u2060'],
    ['a soft hyphen', '\u00ad'],
    ['a byte order mark', '\ufeff'],
    ['an invisible tag', '\u{e0041}'],
    ['a backslash', '\\'],
  ];
  const carriers = ['hf:org/re_po', 'hf:org/repo::file=a_b', 'hf:org/repo::include=a_b', 'https://host/a_b'];
  carriers.push('ollama:a_b', 'file:///a_b');

  it.each(characters)('%s is refused at every place of a ref', (_, character) => {
    for (const carrier of carriers) {
      refusalOf(carrier.replace('_', character));
      refusalOf(`${character}${carrier}`);
      refusalOf(`${carrier}${character}`);
    }
  });

  const lookalikes: [name: string, dots: string][] = [
    ['two dots', '..'],
    ['two full-width dots', '\uff0e\uff0e'],
    ['a dot and a full-width dot', '.\uff0e'],
    ['two one-dot leaders', '\u2024\u2024'],
    ['a two-dot leader', '\u2025'],
    ['an ellipsis', '\u2026'],
    ['two small dots', '\ufe52\ufe52'],
    ['one full-width dot', '\uff0e'],
  ];

  it.each(lookalikes)('a path with a part of %s is refused wherever the part stands', (_, dots) => {
    for (const path of [dots, `${dots}/a`, `a/${dots}`, `a/${dots}/b`, `a/b/${dots}/${dots}`]) {
      refusalOf(`hf:org/repo::file=${path}`);
      refusalOf(`org/repo:${path}`);
      refusalOf(`file:///${path}`);
    }
  });

  it.each([
    ['a full-width slash', '\uff0f'],
    ['a full-width backslash', '\uff3c'],
    ['a small backslash', '\ufe68'],
    ['a division slash', '\u2215'],
    ['a fraction slash', '\u2044'],
    ['a set minus', '\u2216'],
    ['a big solidus', '\u29f8'],
    ['an account-of sign', '\u2100'],
  ])('a path with %s is refused', (_, slash) => {
    for (const path of [`a${slash}b`, `${slash}a`, `a/b${slash}`]) {
      refusalOf(`hf:org/repo::file=${path}`);
      refusalOf(`file:///${path}`);
    }
  });

  it.each([
    'hf:../repo',
    'hf:org/..',
    'hf:org/repo@..',
    'hf:org/repo@a/../b',
    'ollama:../a',
    'ollama:a:..',
    'ollama:..',
  ])('%s is refused: ".." names nothing', (text) => {
    refusalOf(text);
  });

  const dots = ['..', '%2e%2e', '%2E%2e', '.%2e', '%2E.'];

  it.each(dots)('a URL with %s as a part of its path is refused, plain or encoded', (part) => {
    for (const path of [part, `${part}/a`, `a/${part}`, `a/${part}/b`, `a%2f${part}%2Fb`, `a%5c${part}`]) {
      refusalOf(`https://host/${path}`);
      refusalOf(`https://host/${path}?x=1`);
      refusalOf(`https://host/${path}::sha256=${SHA256}`);
    }
  });
});

describe('credentials', () => {
  const secret = fc.stringMatching(/^[a-z0-9]{12,24}$/);
  const carriers: ((secret: string) => string)[] = [
    (s) => `https://user:${s}@host/a`,
    (s) => `https://${s}@host/a`,
    (s) => `https://:${s}@host/a::sha256=${SHA256}`,
    (s) => `HTTP://user:${s}@[::1]:80/a`,
    (s) => `https://user:1::${s}=x@host/a`,
    (s) => `https://host/a::${s}=${s}`,
    (s) => `https://host/a::=user:${s}@host`,
    (s) => `https://host/a?signature=${s}::sha256=${s}`,
    (s) => `https:/user:${s}@host/a`,
    (s) => ` https://user:${s}@host/a`,
    (s) => `ftp://user:${s}@host/a`,
    (s) => `htps://user:${s}@host/a`,
    (s) => `user:${s}@host/a`,
    (s) => `hf:https://user:${s}@host/a/b`,
    (s) => `hf:org/repo@${s}!`,
    (s) => `hf:org/repo::file=https://user:${s}@host/a`,
    (s) => `hf:org/repo::include=/${s}`,
    (s) => `hf:org/repo::token=${s}`,
    (s) => `ollama:https://user:${s}@host/a/b`,
    (s) => `file://user:${s}@host/a`,
    (s) => s,
  ];

  it('never come back in a refusal', () => {
    fc.assert(
      fc.property(fc.constantFrom(...carriers), secret, (carrier, text) => {
        const { message, hint, details } = refusalOf(carrier(text));
        expect(JSON.stringify({ message, hint, details })).not.toContain(text);
      }),
    );
  });
});

describe('properties', () => {
  const word = fc.stringMatching(/^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,20}[A-Za-z0-9_])?$/).filter((text) => {
    return !text.includes('--') && !text.includes('..') && !/\.(?:git|lock)$/.test(text);
  });
  const letter = fc.constantFrom(...'aZ09._-+=@ #?%&:;,()[]{}~\'"éßЖ中あ🐝');
  const segment = fc
    .string({ unit: letter, minLength: 1, maxLength: 12 })
    .filter((text) => !text.includes('..') && !text.includes('::') && text !== '.' && !/^[A-Za-z]:/.test(text));
  const path = fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
  const glob = fc.tuple(path, fc.constantFrom('', '*', '/**', '[a-c]', '?')).map(([head, tail]) => head + tail);
  const sha256 = fc.option(fc.stringMatching(/^[0-9a-f]{64}$/));
  const choice = fc.oneof(
    fc.record({ files: fc.uniqueArray(path, { maxLength: 4 }) }),
    fc.record({ include: fc.array(glob, { maxLength: 3 }), exclude: fc.array(glob, { maxLength: 3 }) }),
    fc.record({ quant: fc.stringMatching(/^[A-Z0-9][A-Z0-9_-]{0,12}$/) }),
  );
  const hfRef = fc
    .tuple(word, word, fc.array(word, { minLength: 1, maxLength: 3 }), choice)
    .map(([org, name, revision, wish]) => hf({ repo: `${org}/${name}`, revision: revision.join('/'), ...wish }));
  const host = fc.oneof(
    fc.domain(),
    fc.ipV6().map((text) => `[${text}]`),
    fc.ipV4(),
  );
  const urlRef = fc
    .tuple(fc.constantFrom('https' as const, 'http' as const), host, path, fc.option(word), sha256)
    .filter(([, , urlPath]) => !/#|%(?![2-7][0-9])/.test(urlPath))
    .map(([scheme, name, urlPath, query, digest]): ModelRef => {
      const { href } = new URL(`${scheme}://${name}/${urlPath}${query === null ? '' : `?q=${query}`}`);
      return { scheme, url: href, sha256: digest };
    });
  const part = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_-]{0,20}$/);
  const registry = fc.tuple(fc.domain(), fc.option(fc.integer({ min: 0, max: 65_535 }))).map(([name, port]) => {
    return port === null ? name : `${name}:${port}`;
  });
  const ollamaRef = fc.record({
    scheme: fc.constant('ollama' as const),
    host: fc.option(registry),
    namespace: part.filter((text) => text.toLowerCase() !== 'localhost'),
    name: part,
    tag: part,
  });
  const fileRef = path.map((text): ModelRef => ({ scheme: 'file', path: `/${text}` }));
  const short = (ref: ModelRef): boolean => printModelRef(ref).length <= 512;

  it.each<[string, fc.Arbitrary<ModelRef>]>([
    ['hf', hfRef],
    ['https and http', urlRef],
    ['ollama', ollamaRef],
    ['file', fileRef],
  ])('every %s ref is read back from its text as it was', (_, refs) => {
    fc.assert(
      fc.property(refs.filter(short), (ref) => {
        expect(parseModelRef(printModelRef(ref))).toEqual(ref);
      }),
      { numRuns: 300 },
    );
  });

  // Pieces that mean something to a reader of refs: put together at random they reach far more of it than plain text.
  const pieces = ['hf:', 'https://', 'http://', 'ollama:', 'file://', 'org/repo', 'host', '[::1]', 'user:pw@', '@main'];
  pieces.push('::file=', '::include=', '::exclude=', '::sha256=', SHA256, ':Q4_0', ':', '::', '=', '@', '/', '//', '.');
  pieces.push(
    '..',
    '\uff0e',
    '%2e',
    '%2F',
    '%00',
    '\\',
    '\n',
    '\u2025',
    '\uff0f',
    '\u2215',
    '\ud800',
    'C:',
    '~',
    '#',
    '?',
    '*',
  );
  pieces.push('é', 'a', 'b.gguf', '\u202e', ' ', '-', '.git', '.lock', 'LOCALHOST', ':5000', 'x'.repeat(200));
  const anyText = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.string({ unit: 'grapheme' }),
    fc.array(fc.constantFrom(...pieces), { maxLength: 10 }).map((texts) => texts.join('')),
    fc
      .tuple(fc.constantFrom('hf:org/repo', 'https://host', 'file://', 'ollama:'), fc.array(fc.constantFrom(...pieces)))
      .map(([head, texts]) => head + texts.join('')),
  );

  it('any text is refused with MODEL_REF_INVALID, or names nothing outside its place', () => {
    let read = 0;
    fc.assert(
      fc.property(anyText, (text) => {
        const ref = parseOrNull(text);
        if (ref === null) return;
        read += 1;
        if ('url' in ref) expectPlain(new URL(ref.url));
        else for (const path of pathsOf(ref)) expectInside(path);
        const printed = printModelRef(ref);
        expect(printed.length).toBeLessThanOrEqual(512);
        expect(printed).not.toMatch(/[\p{Cc}\p{Cf}\\]/u);
        expect(parseModelRef(printed)).toEqual(ref);
        expect(printModelRef(parseModelRef(printed))).toBe(printed);
        expect(shortNameOf(ref)).toMatch(/^[^/\\]+$/);
      }),
      { numRuns: 5_000 },
    );
    expect(read).toBeGreaterThan(100);
  });
});

function parseOrNull(text: string): ModelRef | null {
  try {
    return parseModelRef(text);
  } catch (error) {
    if (error instanceof RbeeError && error.code === 'MODEL_REF_INVALID') return null;
    throw error;
  }
}

/** Every path that a ref can make a store or a hub build, relative to where it belongs. */
function pathsOf(ref: Exclude<ModelRef, { url: string }>): string[] {
  switch (ref.scheme) {
    case 'hf':
      return [ref.repo, ref.revision, ...ref.files];
    case 'ollama':
      return [ref.namespace, ref.name, ref.tag, ...(ref.host === null ? [] : [ref.host])];
    case 'file':
      return [ref.path.slice(1)];
  }
}

function expectInside(path: string): void {
  for (const form of [path, path.normalize('NFKC')]) expect(form.split(/[/\\]/)).not.toContain('..');
  expect(path).not.toMatch(/^(?:\/|[A-Za-z]:\/|$)/);
}

function expectPlain(url: URL): void {
  expect([url.username, url.password, url.hash]).toEqual(['', '', '']);
  const decoded = url.pathname.replaceAll(/%[0-7][0-9a-f]/gi, decodeURIComponent);
  expect(decoded.split(/[/\\]/)).not.toContain('..');
  expect(decoded).not.toMatch(/\p{Cc}/u);
}

describe('the short name', () => {
  it.each([
    ['hf:org/repo', 'repo'],
    ['hf:org/repo:Q4_0', 'repo:Q4_0'],
    ['hf:org/repo::file=a/b.gguf', 'b.gguf'],
    ['hf:org/repo::file=a/b.gguf::file=c', 'b.gguf +1'],
    ['https://host/a/b.gguf?x=/y', 'b.gguf'],
    [`https://[::1]:80/a/b.gguf::sha256=${SHA256}`, 'b.gguf'],
    ['https://host/', 'host'],
    ['https://host/a/', 'a'],
    ['ollama:qwen3', 'qwen3'],
    ['ollama:host.example/ns/qwen3:0.6b', 'qwen3:0.6b'],
    ['file:///models/a.gguf', 'a.gguf'],
  ])('of %s is %s', (text, name) => {
    expect(shortNameOf(parseModelRef(text))).toBe(name);
  });
});
