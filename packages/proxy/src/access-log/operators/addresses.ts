/** Operators that tell addresses of both sides of the proxy. */
import { joinAddress } from '@weft/contracts/address';
import { hostOf, portOf } from '../../net/address-text.ts';
import { maskedAddress } from '../../stack/masked-address.ts';
import type { AttemptInfo, StreamInfo } from '../../stack/stream-info.ts';
import { type Command, type Commands, listed, nonEmpty, type Operator, type Operators } from './operator.ts';

/** A name without the port that it may have. */
function nameOf(text: string): string {
  return /^.+:\d+$/.test(text) ? hostOf(text) : text;
}

/** The address of the connection to the host, which may have been chosen and never been reached. */
const remote = (info: StreamInfo): string | undefined =>
  info.upstreamLocalAddress === '' ? undefined : nonEmpty(info.upstreamHost);

const direct = ({ downstream }: StreamInfo): readonly [host: string, port: number] => [
  downstream.directRemoteHost ?? downstream.remoteHost,
  downstream.directRemotePort ?? downstream.remotePort,
];

const directLocal = ({ downstream }: StreamInfo): readonly [host: string, port: number] => [
  downstream.directLocalHost ?? downstream.localHost,
  downstream.directLocalPort ?? downstream.localPort,
];

const nameOrAddress = ({ endpoint, key }: AttemptInfo): string => endpoint.hostname || key;

/** Every host that there was a connection to, the first one first, each once. */
function attempted(info: StreamInfo, text: (host: AttemptInfo) => string): string | undefined {
  const { hostReached: last } = info;
  return last && listed([...new Set([...(info.hostsBefore ?? []), last])].map(text));
}

export const ADDRESSES: Operators = {
  UPSTREAM_HOST: (info) => nonEmpty(info.upstreamHost),
  UPSTREAM_HOST_NAME: ({ host }) => host && nameOrAddress(host),
  UPSTREAM_HOST_NAME_WITHOUT_PORT: ({ host }) => host && nameOf(nameOrAddress(host)),
  UPSTREAM_HOSTS_ATTEMPTED: (info) => attempted(info, ({ key }) => key),
  UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT: (info) => attempted(info, ({ key }) => hostOf(key)),
  UPSTREAM_HOST_NAMES_ATTEMPTED: (info) => attempted(info, nameOrAddress),
  UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT: (info) => attempted(info, (host) => nameOf(nameOrAddress(host))),
  UPSTREAM_REMOTE_ADDRESS: remote,
  UPSTREAM_REMOTE_PORT: (info) => portOf(remote(info) ?? ''),
  UPSTREAM_LOCAL_ADDRESS: (info) => nonEmpty(info.upstreamLocalAddress),
  UPSTREAM_LOCAL_PORT: (info) => portOf(info.upstreamLocalAddress),
  /** Of Envoy's internal listeners alone. */
  UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID: (info) => (remote(info) === undefined ? undefined : ''),
  DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID: () => '',
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID: () => '',
  DOWNSTREAM_REMOTE_ADDRESS: (info) => joinAddress(info.remoteHost, info.remotePort),
  DOWNSTREAM_REMOTE_PORT: (info) => info.remotePort,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: (info) => joinAddress(...direct(info)),
  DOWNSTREAM_DIRECT_REMOTE_PORT: (info) => direct(info)[1],
  DOWNSTREAM_LOCAL_ADDRESS: ({ downstream }) => joinAddress(downstream.localHost, downstream.localPort),
  DOWNSTREAM_LOCAL_PORT: ({ downstream }) => downstream.localPort,
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS: (info) => joinAddress(...directLocal(info)),
  DOWNSTREAM_DIRECT_LOCAL_PORT: (info) => directLocal(info)[1],
};

const V4_BITS = 32;
const V6_BITS = 128;

/** An address alone, or the network that it is in where the argument says how many bits of it count. */
function maskable(host: (info: StreamInfo) => string | undefined): Command {
  const compile = (argument: string): Operator | string => {
    if (argument === '') return host;
    if (!/^\d{1,9}$/.test(argument)) return `${JSON.stringify(argument)} is no length of a prefix`;
    const bits = Number(argument);
    return (info) => {
      const address = host(info);
      return address && maskedAddress(address, Math.min(bits, V4_BITS), Math.min(bits, V6_BITS));
    };
  };
  return { isArgumentNeeded: false, canBeCut: false, compile };
}

export const MASKABLE_ADDRESSES: Commands = {
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: maskable((info) => nonEmpty(hostOf(remote(info) ?? ''))),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: maskable((info) => nonEmpty(hostOf(info.upstreamLocalAddress))),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: maskable((info) => info.remoteHost),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: maskable((info) => direct(info)[0]),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: maskable(({ downstream }) => downstream.localHost),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT: maskable((info) => directLocal(info)[0]),
};
