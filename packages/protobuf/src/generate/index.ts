export { bare, type Collected, collect, mapEntry } from './collect.ts';
export { jsonTypesOf } from './json-types.ts';
export { nativeModule } from './native-types.ts';
export { closure, tablesOf } from './tables.ts';
