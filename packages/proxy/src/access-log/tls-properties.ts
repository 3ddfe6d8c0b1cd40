/** `envoy.data.accesslog.v3.TLSProperties` of a connection; made once, however many requests it carries. */
import type { CertificateNames, TlsInfo } from '../stack/stream-info.ts';
import { BackwardWriter } from './backward-writer.ts';

const TLS_VERSIONS: Readonly<Record<string, number>> = { TLSv1: 1, 'TLSv1.1': 2, 'TLSv1.2': 3, 'TLSv1.3': 4 };

/** `CertificateProperties` */
function writeCertificate(writer: BackwardWriter, field: number, names: CertificateNames | undefined): void {
  if (!names) return;
  const end = writer.mark;
  writer.text(3, names.issuer);
  writer.text(2, names.subject);
  const alternatives = [
    ...names.uris.map((uri) => ({ field: 1, text: uri })),
    ...names.dnsNames.map((name) => ({ field: 2, text: name })),
  ];
  for (const name of alternatives.reverse()) {
    const nameEnd = writer.mark;
    writer.text(name.field, name.text);
    writer.message(1, nameEnd);
  }
  writer.message(field, end);
}

export class TlsProperties {
  readonly #writer = new BackwardWriter();
  readonly #known = new WeakMap<TlsInfo, Buffer>();

  of(tls: TlsInfo): Buffer {
    const known = this.#known.get(tls);
    if (known) return known;
    const writer = this.#writer;
    writeCertificate(writer, 5, tls.peer);
    writeCertificate(writer, 4, tls.local);
    writer.text(3, tls.serverName);
    writer.uint(1, TLS_VERSIONS[tls.version] ?? 0);
    const properties = writer.finish();
    this.#known.set(tls, properties);
    return properties;
  }
}
