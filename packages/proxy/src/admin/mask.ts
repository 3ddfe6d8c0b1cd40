/** Field masks: `cluster.name,last_updated` keeps these fields of a message alone. */

type Tree = Map<string, Tree>;

function treeOf(mask: string): Tree {
  const root: Tree = new Map();
  for (const path of mask.split(',')) {
    let node = root;
    for (const step of path.split('.')) {
      const next: Tree = node.get(step) ?? new Map();
      node.set(step, next);
      node = next;
    }
  }
  return root;
}

function trimmed(value: unknown, tree: Tree): unknown {
  if (tree.size === 0 || typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => {
      if (key === '@type') return [[key, item]];
      const below = tree.get(key);
      return below ? [[key, trimmed(item, below)]] : [];
    }),
  );
}

/** Whether a path goes on below a list, which a field mask cannot. */
function passesList(value: unknown, tree: Tree): boolean {
  if (tree.size === 0 || typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return true;
  const fields = new Map<string, unknown>(Object.entries(value));
  return [...tree].some(([step, below]) => passesList(fields.get(step), below));
}

/**
 * The message with the fields of `mask` alone; undefined where the mask names none of `fields`, or goes on below a list.
 * `fields` are those that the message can have.
 */
export function applyMask(message: object, mask: string, fields: readonly string[]): object | undefined {
  const tree = treeOf(mask);
  if (![...tree.keys()].every((step) => fields.includes(step)) || passesList(message, tree)) return undefined;
  return trimmed(message, tree) as object;
}
