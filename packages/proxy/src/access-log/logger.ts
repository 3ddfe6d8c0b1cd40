/** Where an access log goes, once it is known what there is to say. */
import type { InfoFilter } from '../stack/log-filter.ts';
import type { StreamInfo } from '../stack/stream-info.ts';

/** Takes one finished request or connection. */
export type WriteLog = (info: StreamInfo) => void;

/** A log for some requests alone. */
export function filtered(write: WriteLog, filter: InfoFilter | undefined): WriteLog {
  if (!filter) return write;
  return (info) => {
    if (filter(info)) write(info);
  };
}
