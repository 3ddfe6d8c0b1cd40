/**
 * Completes `package-lock.json`: npm leaves out optional packages of platforms other than the one it runs on when their
 * registry does not carry them, and then refuses its own lock file on `npm ci`. Run after each `npm install`.
 *
 *   node scripts/lock.ts          adds what is missing
 *   node scripts/lock.ts --check  says what is missing; exit code 1 if anything is
 */
import { readFileSync, writeFileSync } from 'node:fs';

interface LockedPackage {
  readonly version?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Lock {
  packages: Record<string, LockedPackage & Record<string, unknown>>;
}

const file = new URL('../package-lock.json', import.meta.url);
const PLATFORM = /-(android|darwin|freebsd|linux|openbsd|win32)-(arm64|arm|x64|ia32|s390x|ppc64)(?:-([a-z]+))?$/;
const LIBC: Readonly<Record<string, string>> = { musl: 'musl', gnu: 'glibc', gnueabihf: 'glibc' };

/** The optional packages that the lock file refers to and does not list, by the path that they would have. */
function missingFrom({ packages }: Lock): ReadonlyMap<string, LockedPackage & Record<string, unknown>> {
  const missing = new Map<string, LockedPackage & Record<string, unknown>>();
  for (const [path, entry] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const isListed = packages[`node_modules/${name}`] ?? packages[`${path}/node_modules/${name}`];
      const platform = PLATFORM.exec(name);
      if (isListed || !platform) continue;
      const [, os, cpu, abi = ''] = platform;
      missing.set(`node_modules/${name}`, {
        version,
        cpu: [cpu],
        ...(entry.dev === undefined ? {} : { dev: entry.dev }),
        ...(os === 'linux' && LIBC[abi] !== undefined ? { libc: [LIBC[abi]] } : {}),
        ...(entry.license === undefined ? {} : { license: entry.license }),
        optional: true,
        os: [os],
      });
    }
  }
  return missing;
}

const lock = JSON.parse(readFileSync(file, 'utf8')) as Lock;
const missing = missingFrom(lock);
if (process.argv.includes('--check')) {
  for (const path of missing.keys()) console.error(`package-lock.json lacks ${path}; run node scripts/lock.ts`);
  process.exitCode = missing.size === 0 ? 0 : 1;
} else if (missing.size > 0) {
  const all = Object.entries({ ...lock.packages, ...Object.fromEntries(missing) });
  lock.packages = Object.fromEntries(all.sort(([a], [b]) => a.localeCompare(b, 'en')));
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`package-lock.json: ${missing.size} packages of other platforms added`);
}
