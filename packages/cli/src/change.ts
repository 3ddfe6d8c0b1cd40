/** Sending a change-set and telling what became of it; what `weft apply` and `weft delete` share. */
import { hostname, userInfo } from 'node:os';
import type { Admin, ApplyResponse, Document, RolloutStatus } from '@weft/contracts/admin';
import type { ResourceKey } from '@weft/contracts/bus';
import { WeftError } from '@weft/contracts/error';
import type { Client } from '@weft/rpc';
import { authorOf } from './admin.ts';
import type { LoadedDocument } from './documents.ts';
import { type Flags, isJson, parseDuration, usageError } from './flags.ts';
import type { Terminal } from './terminal.ts';

export const CHANGE_FLAGS = {
  reason: { type: 'string', short: 'm', value: '<text>', help: 'why, for the log of changes' },
  'expect-revision': { type: 'string', value: '<n>', help: 'fail when the mesh is at another revision' },
  'dry-run': { type: 'boolean', help: 'check and tell, but change nothing' },
  wait: {
    type: 'string',
    value: '<duration>',
    default: '10s',
    help: 'how long to wait for the proxies to acknowledge; 0s: not at all',
  },
  output: { type: 'string', short: 'o', value: 'json', help: 'print one JSON object' },
} as const satisfies Flags;

export interface ChangeFlags {
  readonly reason: string | undefined;
  readonly 'expect-revision': string | undefined;
  readonly 'dry-run': boolean;
  readonly wait: string | undefined;
  readonly output: string | undefined;
}

export interface Change {
  readonly documents: readonly LoadedDocument[];
  readonly deletions: readonly ResourceKey[];
}

interface Rollout {
  readonly proxies: number;
  readonly acknowledged: number;
  readonly nacks: RolloutStatus['nacks'];
  readonly tookMs: number;
}

function expectedRevision(flags: ChangeFlags): number | undefined {
  const text = flags['expect-revision'];
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw usageError(`--expect-revision ${text}: expected a revision, a whole number from 0`);
  return Number(text);
}

async function awaitRollout(client: Client<typeof Admin>, revision: number, waitMs: number): Promise<Rollout> {
  const start = performance.now();
  let newest: RolloutStatus = { revision, proxies: 0, acknowledged: 0, nacks: [] };
  try {
    for await (const status of client.watchRollout({ revision }, { timeoutMs: waitMs })) newest = status;
  } catch (thrown) {
    if (!(thrown instanceof WeftError) || thrown.code !== 'DEADLINE_EXCEEDED') throw thrown;
  }
  const { proxies, acknowledged, nacks } = newest;
  return { proxies, acknowledged, nacks, tookMs: Math.round(performance.now() - start) };
}

const SIGNS = { CREATED: 'created', CHANGED: 'changed', UNCHANGED: 'unchanged', DELETED: 'deleted' } as const;

function tellViolations(response: ApplyResponse, change: Change, terminal: Terminal): void {
  for (const { source, key, path, message } of response.violations) {
    const document = change.documents.find((candidate) => candidate.source === source);
    const place = document ? document.locate(path) : source;
    const resource = key && key.name !== '' ? `${key.kind}/${key.name}` : undefined;
    terminal.err([place, resource, path, message].filter(Boolean).join(': '));
  }
  const count = response.violations.length;
  terminal.err(`${count} ${count === 1 ? 'violation' : 'violations'}; nothing was applied`);
}

function tellRollout(revision: number, rollout: Rollout, terminal: Terminal): void {
  for (const { proxyId, nack } of rollout.nacks) terminal.err(`${proxyId} refused it: ${nack?.message}`);
  const all = rollout.acknowledged === rollout.proxies;
  terminal.out(
    `revision ${revision}; acknowledged by ${rollout.acknowledged} of ${rollout.proxies} proxies` +
      (all ? ` in ${rollout.tookMs} ms` : ` after ${rollout.tookMs} ms; weft status tells more`),
  );
}

/** Sends the change-set and gives the exit code: 0 applied and acknowledged, 1 not acknowledged by all, 2 refused. */
export async function sendChange(
  client: Client<typeof Admin>,
  change: Change,
  flags: ChangeFlags,
  terminal: Terminal,
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const json = isJson(flags.output);
  const expected = expectedRevision(flags);
  const waitMs = parseDuration('wait', flags.wait ?? '10s');
  const documents: Document[] = change.documents.map(({ source, json }) => ({ source, json }));
  const response = await client.apply({
    documents,
    deletions: change.deletions,
    author: authorOf(env, userInfo().username, hostname()),
    reason: flags.reason ?? '',
    dryRun: flags['dry-run'],
    ...(expected === undefined ? {} : { expectedRevision: expected }),
  });
  if (response.violations.length > 0) {
    if (json) terminal.out(JSON.stringify(response));
    else tellViolations(response, change, terminal);
    return 2;
  }
  const changed = response.changes.some(({ kind }) => kind !== 'UNCHANGED');
  const waits = changed && !flags['dry-run'] && waitMs > 0;
  const rollout = waits ? await awaitRollout(client, response.revision, waitMs) : undefined;
  if (json) terminal.out(JSON.stringify({ ...response, ...(rollout ? { rollout } : {}) }));
  else {
    for (const { key, kind } of response.changes) terminal.out(`${key?.kind}/${key?.name} ${SIGNS[kind]}`);
    if (rollout) tellRollout(response.revision, rollout, terminal);
    else if (flags['dry-run']) terminal.out('dry run: nothing was applied');
    else terminal.out(`revision ${response.revision}${changed ? '' : '; nothing changed'}`);
  }
  return rollout && (rollout.acknowledged < rollout.proxies || rollout.nacks.length > 0) ? 1 : 0;
}
