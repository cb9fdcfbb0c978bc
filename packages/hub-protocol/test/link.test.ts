import { describe, expect, it } from 'vitest';
import { formatLink, nextPageOf, parseLinkHeader } from '../src/index.ts';

describe('the next page of a list', () => {
  it.each([
    ['</a?cursor=x>; rel="next"', '/a?cursor=x'],
    ['</a>; rel=next', '/a'],
    ['</a>;rel=next', '/a'],
    ['</a>; REL="NEXT"', '/a'],
    ['</a> ; rel = "next"', '/a'],
    ['</a>; title="b"; rel="next"', '/a'],
    ['</a>; title="a, b; rel=prev"; rel="next"', '/a'],
    ['</a>; title="say \\"next\\""; rel="next"', '/a'],
    ['</a>; rel="last next"', '/a'],
    ['</style>; rel=preload, </a>; rel="next"', '/a'],
    ['</style>;rel=preload,</a,b>;rel=next', '/a,b'],
    [['</style>; rel=preload', '</a>; rel="next"'], '/a'],
    ['<>; rel="next"', ''],
    ['</a>; crossorigin; rel="next"', '/a'],
    ['</a>; rel="prev"; rel="next"', null],
    ['</a>; rel="nextish"', null],
    ['</a>; title="rel=next"', null],
    ['</a>; rel=prev', null],
    ['/a; rel=next', null],
    ['</a; rel="next"', null],
    ['', null],
    [undefined, null],
  ])('of %j is %j', (header, expected) => {
    expect(nextPageOf(header)).toBe(expected);
  });

  it('is read as it is written, and every relation is found', () => {
    expect(parseLinkHeader(`${formatLink('/a', 'next')}, ${formatLink('/b', 'first last')}`)).toEqual([
      { target: '/a', rels: ['next'] },
      { target: '/b', rels: ['first', 'last'] },
    ]);
  });
});
