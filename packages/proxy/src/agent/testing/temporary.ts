/** Folders for tests, removed after them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

export function temporaryFolder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'weft-agent-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
