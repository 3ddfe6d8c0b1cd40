/**
 * Holds the layers: an arrow may only go down (app → service → port → model → contract), services never import one
 * another, and `proxy` imports neither `bus` nor a control-plane package, at any distance.
 */
import { readdirSync, readFileSync } from 'node:fs';

const LAYERS = ['contract', 'model', 'port', 'service', 'app', 'e2e'];

interface Package {
  readonly name: string;
  readonly layer: string;
  readonly imports: readonly string[];
}

function readPackage(folder: string): Package {
  const manifest = JSON.parse(readFileSync(new URL(`../${folder}/package.json`, import.meta.url), 'utf8'));
  const tag = (manifest.nx?.tags ?? []).find((candidate: string) => candidate.startsWith('layer:'));
  if (!tag) throw new Error(`${folder}/package.json has no tag layer:<${LAYERS.join('|')}>`);
  const imports = Object.keys(manifest.dependencies ?? {}).filter((name) => name.startsWith('@weft/'));
  return { name: manifest.name, layer: tag.slice('layer:'.length), imports };
}

const folders = [
  ...readdirSync(new URL('../packages/', import.meta.url)).map((name) => `packages/${name}`),
  'e2e',
  'bench',
];
const packages = new Map(folders.map(readPackage).map((found) => [found.name, found]));
const violations: string[] = [];

for (const { name, layer, imports } of packages.values()) {
  for (const imported of imports) {
    const target = packages.get(imported);
    if (!target) violations.push(`${name} imports ${imported}, which is not a package here`);
    else if (LAYERS.indexOf(target.layer) > LAYERS.indexOf(layer)) {
      violations.push(`${name} (${layer}) imports ${imported} (${target.layer}), which lies above it`);
    } else if (layer === 'service' && target.layer === 'service') {
      violations.push(`${name} imports ${imported}: services meet only on the bus`);
    }
  }
}

function reach(name: string, seen = new Set<string>()): Set<string> {
  for (const imported of packages.get(name)?.imports ?? []) {
    if (!seen.has(imported)) reach(imported, seen.add(imported));
  }
  return seen;
}
if (reach('@weft/proxy').has('@weft/bus')) violations.push('@weft/proxy reaches @weft/bus');

for (const violation of violations) console.error(violation);
console.log(`layers: ${packages.size} packages, ${violations.length} violations`);
process.exitCode = violations.length === 0 ? 0 : 1;
