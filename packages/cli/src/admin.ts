/** How commands reach the admin API. */
import { Admin } from '@weft/contracts/admin';
import { WeftError } from '@weft/contracts/error';
import { type Channel, type Client, connect } from '@weft/rpc';
import type { Flags } from './flags.ts';
import { findStateFolder, readControlPlaneFile } from './state-folder.ts';

/** The flags of every command that talks to the admin API. */
export const ADMIN_FLAGS = {
  api: { type: 'string', value: '<host:port>', help: 'the admin API; else WEFT_API, else that of the nearest .weft' },
  state: { type: 'string', value: '<folder>', help: 'the state folder of a control plane on this machine' },
} as const satisfies Flags;

export interface AdminOptions {
  readonly flags: { readonly api: string | undefined; readonly state: string | undefined };
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
}

const DEFAULT_ADDRESS = '127.0.0.1:7445';

function adminAddress({ flags, env, cwd }: AdminOptions): string {
  const given = flags.api ?? env.WEFT_API;
  if (given) return given;
  return readControlPlaneFile(findStateFolder(flags.state, cwd))?.admin ?? DEFAULT_ADDRESS;
}

/** Calls `use` with a client of the admin API, and closes the connection after it. */
export async function withAdmin<T>(
  options: AdminOptions,
  use: (client: Client<typeof Admin>) => Promise<T>,
): Promise<T> {
  const address = adminAddress(options);
  const token = options.env.WEFT_ADMIN_TOKEN;
  const channel: Channel = connect({ addresses: [address], ...(token ? { bearerToken: token } : {}) });
  try {
    return await use(channel.client(Admin));
  } catch (thrown) {
    if (thrown instanceof WeftError && thrown.code === 'UNAVAILABLE') {
      throw new WeftError(
        'UNAVAILABLE',
        `no control plane answers at ${address}; start one with weft up, or name another with --api or WEFT_API`,
        { source: 'control-plane', cause: thrown },
      );
    }
    throw thrown;
  } finally {
    channel.close();
  }
}

/** Who makes a change, as the log of changes keeps it: `WEFT_AUTHOR`, else user and host. */
export function authorOf(env: NodeJS.ProcessEnv, userName: string, hostName: string): string {
  return env.WEFT_AUTHOR ?? `${userName}@${hostName}`;
}
