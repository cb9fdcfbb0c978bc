/** A quantisation as the name of a file or folder tells it. */
export interface Quant {
  /** How it was made, as far as the name says: dynamic (`UD-`), by an importance matrix (`I1-`), or empty. */
  readonly prefix: string;
  /** Upper case: `Q4_K_M`, `MXFP4_MOE`. */
  readonly tag: string;
}

// As publishers write them: `-Q4_K_M`, `.Q4_K_M`, `_q4_k_m`, `-UD-Q4_K_XL`, `.i1-IQ2_XXS`, `-fp16`, `-MXFP4_MOE`.
const KNOWN =
  /(?<=^|[-._/])(UD-|i1-)?(I?Q\d(?:_(?:K[A-Z]{0,2}|X{0,2}[SL]|M|NL|P|[0148]|R[48]))*|TQ\d_\d|BF16|FP?(?:8|16|32|64)|(?:MX|NV)FP\d(?:_[A-Z0-9]+)*)(?=$|[-._/])/gi;
// One that nobody had heard of when this was written, such as `Q4_HIFI`.
const UNHEARD = /(?<=^|[-._/])(UD-|i1-)?([IT]?Q\d\w*)(?=$|[-./])/gi;

/** The last quantisation in a text; null where it has none. */
export function quantIn(text: string): Quant | null {
  const found = [...text.matchAll(KNOWN)].at(-1) ?? [...text.matchAll(UNHEARD)].at(-1);
  const [, prefix = '', tag] = found ?? [];
  if (tag === undefined) return null;
  return { prefix: prefix.toUpperCase(), tag: tag.toUpperCase().replace(/^FP(?=16|32|64)/, 'F') };
}

/** The quantisation that a text is; null where it has other words. */
export function quantNamed(text: string): Quant | null {
  const isAll = [KNOWN, UNHEARD].some((names) => [...text.matchAll(names)].some(([whole]) => whole === text));
  return isAll ? quantIn(text) : null;
}

/** As a ref names it: `UD-Q4_K_XL`. */
export function spelled({ prefix, tag }: Quant): string {
  return prefix + tag;
}

/** Bits per weight beyond the number in the name, about as `llama-quantize` lists them. */
const MORE_BITS: Readonly<Record<string, number>> = {
  XXS: 0.06,
  XS: 0.31,
  S: 0.5,
  '0': 0.5,
  NL: 0.5,
  K_S: 0.55,
  K: 0.6,
  M: 0.7,
  K_M: 0.85,
  '1': 1,
  K_L: 1.2,
  K_XL: 1.3,
};
const USUAL_MORE_BITS = 0.5;

/** How large a quantisation of a model is: about its bits per weight. Files of equal weights compare by it. */
export function bitsPerWeight({ tag }: Quant): number {
  const [, kind = '', digits = '0', detail = ''] = /^([A-Z]*)(\d+)_?(.*)$/.exec(tag) ?? [];
  return Number(digits) + (MORE_BITS[detail] ?? (kind.includes('F') ? 0 : USUAL_MORE_BITS));
}

/** The number in its name: 4 for `IQ4_XS`, 16 for `BF16`. */
export function nominalBits(quant: Quant | null): number {
  return Number(/\d+/.exec(quant?.tag ?? '')?.[0] ?? 0);
}
