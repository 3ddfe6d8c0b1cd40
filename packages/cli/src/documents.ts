/** Resource files: YAML or JSON, one or several documents each, with the line on which each begins. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { WeftError } from '@weft/contracts/error';
import { isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml';

export interface LoadedDocument {
  /** `canary.yaml:12`, the line on which the document begins. */
  readonly source: string;
  readonly json: string;
  /** `file:line` of a path such as `spec.rules[0].matches`, or of the nearest part of it that is written. */
  locate(path: string): string;
}

export interface FileViolation {
  readonly source: string;
  readonly message: string;
}

export interface LoadedFiles {
  readonly documents: readonly LoadedDocument[];
  readonly violations: readonly FileViolation[];
}

function filesOf(path: string): readonly string[] {
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (cause) {
    throw new WeftError('INVALID_ARGUMENT', `${path}: there is no such file or folder`, { cause });
  }
  if (!isFolder) return [path];
  const names = readdirSync(path).filter((name) => /\.(ya?ml|json)$/.test(name));
  if (names.length === 0) throw new WeftError('INVALID_ARGUMENT', `${path}: no .yaml, .yml or .json file in it`);
  return names.sort().map((name) => join(path, name));
}

/** The steps of `spec.rules[0].headers["a.b"]`. */
function steps(path: string): (string | number)[] {
  const found: (string | number)[] = [];
  for (const match of path.matchAll(/\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|([^.[\]]+)/g)) {
    if (match[1] !== undefined) found.push(Number(match[1]));
    else found.push(match[2] ?? match[3] ?? '');
  }
  return found;
}

function startOf(root: Node | null, path: string): number | undefined {
  let node: unknown = root;
  let offset = isNode(root) ? root.range?.[0] : undefined;
  for (const step of steps(path)) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === step);
      if (!pair) return offset;
      offset = isScalar(pair.key) ? (pair.key.range?.[0] ?? offset) : offset;
      node = pair.value;
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step];
      offset = isNode(node) ? (node.range?.[0] ?? offset) : offset;
    } else return offset;
  }
  return offset;
}

function parseFile(name: string, text: string): LoadedFiles {
  const lines = new LineCounter();
  const documents: LoadedDocument[] = [];
  const violations: FileViolation[] = [];
  for (const document of parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, merge: true })) {
    if (!('contents' in document)) continue;
    const lineAt = (offset: number | undefined): string => `${name}:${lines.linePos(offset ?? 0).line}`;
    for (const error of document.errors) {
      const { line, col } = lines.linePos(error.pos[0]);
      violations.push({ source: `${name}:${line}:${col}`, message: error.message.split('\n')[0] ?? 'not valid YAML' });
    }
    if (document.errors.length > 0 || document.contents === null) continue;
    const { contents } = document;
    documents.push({
      source: lineAt(contents.range?.[0]),
      json: JSON.stringify(document.toJS({ maxAliasCount: 100 })),
      locate: (path) => lineAt(startOf(contents, path)),
    });
  }
  return { documents, violations };
}

/** Reads files, folders and `-` (standard input). Syntax errors are told as violations, all of them at once. */
export function loadDocuments(paths: readonly string[]): LoadedFiles {
  const documents: LoadedDocument[] = [];
  const violations: FileViolation[] = [];
  for (const path of paths) {
    const files = path === '-' ? ['-'] : filesOf(path);
    for (const file of files) {
      const loaded = parseFile(file === '-' ? 'stdin' : file, readFileSync(file === '-' ? 0 : file, 'utf8'));
      documents.push(...loaded.documents);
      violations.push(...loaded.violations);
    }
  }
  return { documents, violations };
}
