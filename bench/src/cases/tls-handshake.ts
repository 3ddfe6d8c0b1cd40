/** TLS handshakes: full and resumed, mutual and with a certificate of the server alone. */
import { type Settings, settled } from '../arguments.ts';
import type { BenchCase, Figure, Measurement } from '../bench.ts';
import type { Ground } from '../ground.ts';
import type { Side } from '../plane/plane.ts';
import { onGround } from './on-ground.ts';

const CONNECTIONS = 4;
const WARMUPS = 3;

interface Kind {
  readonly name: string;
  readonly label: string;
  readonly listener: 'mutual' | 'server-only';
  readonly resumes: boolean;
}

const KINDS: readonly Kind[] = [
  { name: 'mutualFull', label: 'mutual, full', listener: 'mutual', resumes: false },
  { name: 'mutualResumed', label: 'mutual, resumed', listener: 'mutual', resumes: true },
  { name: 'serverFull', label: 'server only, full', listener: 'server-only', resumes: false },
  { name: 'serverResumed', label: 'server only, resumed', listener: 'server-only', resumes: true },
];

function figuresOf({ name, label, resumes }: Kind): Figure[] {
  const rate: Figure = { name: `${name}PerCpuSecond`, label: `${label}: per CPU second`, better: 'more' };
  const share: Figure = { name: `${name}Percent`, label: `${label}: resumed of those that asked, %` };
  return resumes ? [rate, share] : [rate];
}

/** What shakes hands: its process, and the ports of its two listeners, `mutual` and `server-only`. */
export interface Shaking {
  readonly pid: number;
  port(listener: string): number;
}

/**
 * Handshakes of all kinds with one server. There are far fewer of them in a second than requests: it takes as much longer
 * until what runs once in each is compiled.
 */
export async function measureHandshakes(ground: Ground, settings: Settings, server: Shaking): Promise<Measurement> {
  const { rootsPem, clientPem, clientKeyPem } = ground.certificates;
  const run = ({ listener, resumes }: Pick<Kind, 'listener' | 'resumes'>, window: Settings) => {
    const client = listener === 'mutual' ? { client: { certPem: clientPem, keyPem: clientKeyPem } } : {};
    const load = { port: server.port(listener), connections: CONNECTIONS, rootsPem, resumes, ...client };
    return ground.load.run('handshakes', { ...load, ...window, pids: [server.pid] });
  };
  await run({ listener: 'mutual', resumes: true }, { ...settings, warmupMs: settings.warmupMs * WARMUPS });
  const measured: Record<string, number> = {};
  for (const kind of KINDS) {
    const counted = await run(kind, settled(settings));
    measured[`${kind.name}PerCpuSecond`] = counted.done / counted.cpuSeconds;
    measured[`${kind.name}Percent`] = counted.resumedShare * 100;
  }
  return measured;
}

export function measurePlane(ground: Ground, settings: Settings, side: Side): Promise<Measurement> {
  return ground.with(side, async (start) =>
    measureHandshakes(ground, settings, await start('tls-handshake', { ports: {} })),
  );
}

export const tlsHandshake: BenchCase = {
  name: 'tls-handshake',
  title: 'TLS 1.3 handshakes, ECDSA P-256, each with one small request that the proxy answers itself',
  figures: KINDS.flatMap(figuresOf),
  main: 'mutualFullPerCpuSecond',
  open: (settings) =>
    onGround(async (ground) => {
      return (side) => measurePlane(ground, settings, side);
    }),
};
