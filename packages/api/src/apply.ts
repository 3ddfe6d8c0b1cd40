/** Change-sets: validated whole, appended at the revision that they were validated against, or refused. */
import type { Log } from '@weft/bus';
import {
  type ApplyRequest,
  type ApplyResponse,
  CONFLICT_METADATA,
  Conflict,
  type Violation,
} from '@weft/contracts/admin';
import { ChangeSet, type Operation } from '@weft/contracts/bus';
import { toWeftError, WeftError } from '@weft/contracts/error';
import { keyText } from '@weft/model';
import { type CheckedChangeSet, validateChangeSet } from '@weft/policies';
import type { Clock } from '@weft/service';
import type { ApiMetrics, ApplyResult } from './metrics.ts';
import type { MeshView } from './view.ts';

export interface ApplyParts {
  readonly log: Log<ChangeSet>;
  readonly view: MeshView;
  readonly clock: Clock;
  readonly metrics: ApiMetrics;
}

/** What one change-set may hold: it travels as one message of the bus. */
const MAX_DOCUMENTS = 5000;
const MAX_DOCUMENT_BYTES = 512 * 1024;
const MAX_BYTES = 6 * 1024 * 1024;
const MAX_AUTHOR = 256;
const MAX_REASON = 4096;

/** How often a change-set that expects nothing is validated again after it lost a race. */
const ATTEMPTS = 20;

function kib(bytes: number): string {
  return `${Math.ceil(bytes / 1024)} KiB`;
}

function sizeViolations(request: ApplyRequest): readonly Violation[] {
  const violations: Violation[] = [];
  const violate = (source: string, path: string, message: string) => violations.push({ source, path, message });
  const count = request.documents.length + request.deletions.length;
  if (count > MAX_DOCUMENTS) {
    violate('', '', `${count} resources: expected at most ${MAX_DOCUMENTS} in one apply; apply them in parts`);
  }
  let total = 0;
  for (const { source, json } of request.documents) {
    const bytes = Buffer.byteLength(json);
    total += bytes;
    if (bytes > MAX_DOCUMENT_BYTES) {
      violate(source, '', `${kib(bytes)}: expected a resource of at most ${kib(MAX_DOCUMENT_BYTES)}`);
    }
  }
  if (total > MAX_BYTES) {
    violate('', '', `${kib(total)} of resources: expected at most ${kib(MAX_BYTES)} in one apply; apply them in parts`);
  }
  if (request.author.length > MAX_AUTHOR) violate('', 'author', `expected at most ${MAX_AUTHOR} characters`);
  if (request.reason.length > MAX_REASON) violate('', 'reason', `expected at most ${MAX_REASON} characters`);
  return violations;
}

function sameOperations(some: readonly Operation[], other: readonly Operation[]): boolean {
  const encode = (operations: readonly Operation[]) =>
    ChangeSet.encode({ author: '', atMs: 0, reason: '', operations });
  return encode(some).equals(encode(other));
}

function conflict(view: MeshView, expectedRevision: number): WeftError {
  const { revision } = view;
  const { author = '', atMs = 0 } = view.newest?.changeSet ?? {};
  const when = atMs === 0 ? '' : ` at ${new Date(atMs).toISOString()}`;
  const whose = author === '' ? '' : `, which ${author} applied${when}`;
  const metadata = { [CONFLICT_METADATA]: Conflict.encode({ expectedRevision, revision, author, atMs }) };
  const message =
    expectedRevision > revision
      ? `revision ${expectedRevision} was expected, and the newest is ${revision}: nothing was applied`
      : `revision ${expectedRevision} was expected, and the newest is ${revision}${whose}: nothing was applied; ` +
        'look at that change and apply again';
  return new WeftError('FAILED_PRECONDITION', message, { source: 'downstream', metadata });
}

/** Applies change-sets one after another; those of other instances race with it on the log. */
export class Applier {
  readonly #parts: ApplyParts;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: ApplyParts) {
    this.#parts = parts;
  }

  async apply(request: ApplyRequest, signal: AbortSignal): Promise<ApplyResponse> {
    const turn = this.#last.then(() => this.#applyInTurn(request, signal));
    this.#last = turn.catch(() => undefined);
    const count = (result: ApplyResult) => this.#parts.metrics.applies.inc({ result });
    try {
      const response = await turn;
      count(resultOf(request, response));
      return response;
    } catch (thrown) {
      count(toWeftError(thrown).code === 'FAILED_PRECONDITION' ? 'conflict' : 'error');
      throw thrown;
    }
  }

  async #applyInTurn(request: ApplyRequest, signal: AbortSignal): Promise<ApplyResponse> {
    const { view } = this.#parts;
    const tooLarge = sizeViolations(request);
    if (tooLarge.length > 0) return { violations: tooLarge, revision: view.revision, changes: [] };
    for (let attempt = 1; ; attempt++) {
      await this.#catchUp(signal);
      const checked = validateChangeSet(view.world, request.documents, request.deletions);
      const { revision } = view;
      const expected = request.expectedRevision;
      if (expected !== undefined && expected !== revision) {
        if (!this.#isRepeated(request, expected, checked)) throw conflict(view, expected);
        return { violations: [], revision, changes: checked.changes };
      }
      const { violations, operations, changes } = checked;
      if (violations.length > 0) return { violations, revision, changes: [] };
      if (request.dryRun || operations.length === 0) return { violations: [], revision, changes };
      const appended = await this.#append(request, operations, revision, signal);
      if (appended !== undefined) return { violations: [], revision: appended, changes };
      if (attempt === ATTEMPTS) {
        throw new WeftError('ABORTED', `others have applied ${ATTEMPTS} change-sets meanwhile: try again`, {
          retryable: true,
        });
      }
    }
  }

  /** Waits until the view is as new as the log. */
  async #catchUp(signal: AbortSignal): Promise<void> {
    const { log, view } = this.#parts;
    const newest = await log.last();
    await view.when(() => view.notSynced === undefined && view.revision >= newest, signal);
  }

  /** Whether the newest change-set is this very one, sent again after its answer was lost. */
  #isRepeated(request: ApplyRequest, expected: number, checked: CheckedChangeSet): boolean {
    const { newest } = this.#parts.view;
    if (newest?.revision !== expected + 1) return false;
    const { author, reason, operations } = newest.changeSet;
    if (author !== authorOf(request) || reason !== request.reason) return false;
    // All of it stands, so that nothing is said to be done that was not.
    if (checked.operations.some(({ action }) => action === 'PUT')) return false;
    const puts = operations.filter(({ action }) => action === 'PUT');
    const isInRequest = (operation: Operation) => request.documents.some(({ json }) => json === operation.json);
    const deleted = new Set(
      operations.flatMap(({ action, key }) => (action === 'DELETE' && key ? [keyText(key)] : [])),
    );
    const isDeleted = request.deletions.every((key) => deleted.has(keyText(key)));
    return puts.every(isInRequest) && isDeleted && deleted.size === request.deletions.length;
  }

  /** The revision that it became; undefined when another was faster. */
  async #append(
    request: ApplyRequest,
    operations: readonly Operation[],
    revision: number,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const { log, view, clock } = this.#parts;
    const changeSet: ChangeSet = { author: authorOf(request), atMs: clock.now(), reason: request.reason, operations };
    let appended: number;
    try {
      appended = await log.append(changeSet, { expectedSequence: revision });
    } catch (thrown) {
      const error = toWeftError(thrown);
      if (error.code === 'ABORTED') return this.#lost(request, signal);
      if (error.code !== 'DEADLINE_EXCEEDED' && error.code !== 'UNAVAILABLE') throw error;
      // It may or may not be there: the log knows.
      await this.#catchUp(signal);
      const { newest } = view;
      const isOurs =
        newest?.revision === revision + 1 &&
        newest.changeSet.atMs === changeSet.atMs &&
        newest.changeSet.author === changeSet.author &&
        sameOperations(newest.changeSet.operations, operations);
      if (!isOurs) throw error;
      appended = newest.revision;
    }
    // Who applied and reads then finds what they applied.
    await view.when(() => view.revision >= appended, signal);
    return appended;
  }

  async #lost(request: ApplyRequest, signal: AbortSignal): Promise<undefined> {
    if (request.expectedRevision === undefined) return undefined;
    await this.#catchUp(signal);
    throw conflict(this.#parts.view, request.expectedRevision);
  }
}

function authorOf(request: ApplyRequest): string {
  return request.author === '' ? 'unknown' : request.author;
}

function resultOf(request: ApplyRequest, { violations, changes }: ApplyResponse): ApplyResult {
  if (violations.length > 0) return 'violations';
  if (request.dryRun) return 'dry_run';
  return changes.every(({ kind }) => kind === 'UNCHANGED') ? 'unchanged' : 'applied';
}
