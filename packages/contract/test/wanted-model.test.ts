import { describe, expect, it } from 'vitest';
import { printModelRef, wantedModel } from '../src/index.ts';

const HEX = 'ab'.repeat(32);

describe('what a request asks for', () => {
  it.each([
    [{ model: 'org/model' }, 'hf:org/model'],
    [{ model: 'org/model', include: ['*.json'], exclude: ['a/*'] }, 'hf:org/model::include=*.json::exclude=a/*'],
    [{ model: 'org/model::include=a', include: ['a', 'b'] }, 'hf:org/model::include=a::include=b'],
    [{ model: 'https://a.example/x', sha256: HEX.toUpperCase() }, `https://a.example/x::sha256=${HEX}`],
    [{ model: `https://a.example/x::sha256=${HEX}`, sha256: HEX }, `https://a.example/x::sha256=${HEX}`],
    // A digest says nothing of which files of a repo are meant.
    [{ model: 'org/model', sha256: HEX }, 'hf:org/model'],
    [{ model: 'org/model:q8_0', exclude: ['*mmproj*'] }, 'hf:org/model:Q8_0::exclude=*mmproj*'],
    [{ model: 'ollama:tiny', sha256: HEX, include: [] }, 'ollama:tiny'],
  ])('%j is %s', (body, ref) => expect(printModelRef(wantedModel(body).ref)).toBe(ref));

  it.each([
    [{ model: 'https://a.example/x', include: ['*'] }, 'REQUEST_INVALID'],
    [{ model: 'ollama:tiny', exclude: ['*'] }, 'REQUEST_INVALID'],
    [{ model: 'file:///x', include: ['*'] }, 'REQUEST_INVALID'],
    [{ model: `https://a.example/x::sha256=${HEX}`, sha256: '00'.repeat(32) }, 'REQUEST_INVALID'],
    [{ model: 'org/model', include: ['a::exclude=b'] }, 'REQUEST_INVALID'],
    [{ model: 'org/model::file=x', include: ['*'] }, 'MODEL_REF_INVALID'],
    [{ model: 'org/model:Q8_0', exclude: ['*'] }, 'MODEL_REF_INVALID'],
    [{ model: 'org/model', include: ['../x'] }, 'MODEL_REF_INVALID'],
    [{ model: 'org/model', include: ['a\nb'] }, 'MODEL_REF_INVALID'],
    [{ model: 'org/model', include: ['x'.repeat(300), 'y'.repeat(300)] }, 'MODEL_REF_INVALID'],
  ])('%j is refused as %s', (body, code) => {
    expect(() => wantedModel(body)).toThrow(expect.objectContaining({ code }));
  });

  it('has its digest once: in the ref where that has a place for it, else beside it', () => {
    expect(wantedModel({ model: 'https://a.example/x', sha256: HEX })).toMatchObject({
      ref: { sha256: HEX },
      sha256: null,
    });
    expect(wantedModel({ model: 'org/model::file=x', sha256: HEX.toUpperCase() }).sha256).toBe(HEX);
    expect(wantedModel({ model: 'org/model::file=x' }).sha256).toBe(null);
  });
});
