export { type ListRules, list } from './list.ts';
export { defaulted, dictionary, isObject, type ObjectOf, object, optional, variant } from './object.ts';
export { integer, oneOf, type TextRules, text } from './scalars.ts';
export {
  checked,
  type FieldOutline,
  INVALID,
  type Invalid,
  mapped,
  mismatch,
  type Outline,
  type Parsed,
  picture,
  type Report,
  refused,
  type Schema,
  within,
} from './schema.ts';
export { suggest } from './suggest.ts';
