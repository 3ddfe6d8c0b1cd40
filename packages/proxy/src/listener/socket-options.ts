/** Which options the sockets of a listener have: those that it lists, and those that other fields stand for. */
import { isIPv6 } from 'node:net';
import type { NetworkAddress } from '../config/core.ts';
import type { ListenerConfig } from '../config/listener.ts';
import { intValue, type SocketOption } from '../config/socket-options.ts';

const SOL_IP = 0;
const SOL_TCP = 6;
const SOL_IPV6 = 41;
const IP_FREEBIND = 15;
const IP_TRANSPARENT = 19;
const IPV6_TRANSPARENT = 75;
const IPV6_FREEBIND = 78;
const TCP_FASTOPEN = 23;

const isOn = (level: number, name: number): SocketOption => ({ level, name, value: intValue(1), when: 'bind' });

/** The options of the socket at one of a listener's addresses. */
export function socketOptionsOf(config: ListenerConfig, address: NetworkAddress): readonly SocketOption[] {
  const own = config.additional_addresses.find((one) => one.address === address);
  const options = [...(own?.socket_options?.socket_options ?? config.socket_options)];
  if (address.type === 'unix') return options;
  const isV6 = isIPv6(address.host);
  if (config.transparent) options.push(isV6 ? isOn(SOL_IPV6, IPV6_TRANSPARENT) : isOn(SOL_IP, IP_TRANSPARENT));
  if (config.freebind) options.push(isV6 ? isOn(SOL_IPV6, IPV6_FREEBIND) : isOn(SOL_IP, IP_FREEBIND));
  const queue = config.tcp_fast_open_queue_length;
  if (queue !== undefined) {
    options.push({ level: SOL_TCP, name: TCP_FASTOPEN, value: intValue(queue), when: 'listening' });
  }
  return options;
}
