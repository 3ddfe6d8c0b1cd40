/** Holds the documents against the code and one another. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const SKIPPED = new Set(['node_modules', '.git', '.nx', 'testdata', 'gen']);

function filesUnder(folder: string, ending: RegExp): readonly string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (SKIPPED.has(name) || name.startsWith('.')) return [];
    if (statSync(path).isDirectory()) return filesUnder(path, ending);
    return ending.test(name) ? [path] : [];
  });
}

const documents = [
  join(root, 'README.md'),
  ...['docs', 'packages', 'examples'].flatMap((folder) => filesUnder(join(root, folder), /\.md$/)),
];
const sources = filesUnder(join(root, 'packages'), /(?<!\.test)\.(ts|mjs)$/);

/** The name that GitHub gives a heading as an anchor. */
function anchor(heading: string): string {
  const plain = heading.replace(/[`*]/g, '').toLowerCase();
  return plain.replace(/[^\p{Letter}\p{Number} _-]/gu, '').replaceAll(' ', '-');
}

function anchorsOf(path: string): ReadonlySet<string> {
  return new Set([...readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchor(heading)));
}

test('every link between documents leads somewhere', () => {
  const broken: string[] = [];
  for (const path of documents) {
    const text = readFileSync(path, 'utf8').replace(/```[\s\S]*?```/g, '');
    for (const [, link = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const [file = '', hash] = link.split('#');
      const target = file === '' ? path : join(dirname(path), file);
      const isThere = existsSync(target) && (hash === undefined || anchorsOf(target).has(hash));
      if (!isThere) broken.push(`${path.slice(root.length)}: ${link}`);
    }
  }
  assert.deepEqual(broken, []);
});

test('every package has a README', () => {
  const folders = readdirSync(join(root, 'packages'));
  assert.deepEqual(
    folders.filter((name) => !existsSync(join(root, 'packages', name, 'README.md'))),
    [],
  );
});

test('the error texts that the operations page explains are those of the code', () => {
  // Texts as they come out: concatenated, without quotes and without the names that are put in.
  const code = sources
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n')
    .replace(/['`]\s*\+\s*['`]/g, '')
    .replace(/\\'/g, "'");
  const page = readFileSync(join(root, 'docs/operations.md'), 'utf8');
  const table = page.slice(page.indexOf('## Error texts'));
  const texts = [...table.matchAll(/^\| `([^`]+)` \|/gm)].map(([, text = '']) => text);
  assert.ok(texts.length > 30, `only ${texts.length} texts were found`);
  const strange = texts.flatMap((text) => {
    const parts = text.split('…').map((part) => part.trim());
    return parts.filter((part) => part.length > 3 && !code.includes(part)).map((part) => `${text}: "${part}"`);
  });
  assert.deepEqual(strange, []);
});

test('the page of environment variables has those that the code reads, and no others', () => {
  const named = (text: string): readonly string[] => [...text.matchAll(/\bWEFT_[A-Z_]+/g)].map(([name]) => name);
  const page = new Set(named(readFileSync(join(root, 'docs/reference/environment.md'), 'utf8')));
  // `WEFT_<NAME>` names streams of NATS; tests of the bus and the demo read nothing of their own.
  const read = new Set(sources.flatMap((path) => named(readFileSync(path, 'utf8'))).filter((name) => name !== 'WEFT_'));
  assert.deepEqual([...page].sort(), [...read].sort());
});
