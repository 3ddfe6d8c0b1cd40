/**
 * Envoy's access log service, as far as it is counted:
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/service/accesslog/v3/als.proto. The tables hold those fields alone,
 * and the entries of a message stay bytes until each is read, so that a message of any size costs little memory; a test
 * compares the tables with the whole API's.
 */
import { createNativeCodec, type MessageType, messageType, type TableSource } from '@weft/protobuf';

const LOG = 'envoy.service.accesslog.v3.StreamAccessLogsMessage';
const DATA = 'envoy.data.accesslog.v3';

/** Exported for the test that compares. An entry is `B` here, bytes, where the API has a message. */
export const TABLES: TableSource = {
  messages: {
    [LOG]: `1 identifier ?m ${LOG}.Identifier;2 http_logs ?m ${LOG}.HTTPAccessLogEntries;3 tcp_logs ?m ${LOG}.TCPAccessLogEntries`,
    [`${LOG}.Identifier`]: '1 node ?m envoy.config.core.v3.Node;2 log_name =s',
    [`${LOG}.HTTPAccessLogEntries`]: '1 log_entry *B',
    [`${LOG}.TCPAccessLogEntries`]: '1 log_entry *B',
    'envoy.config.core.v3.Node': '1 id =s',
    [`${DATA}.HTTPAccessLogEntry`]:
      `1 common_properties ?m ${DATA}.AccessLogCommon;3 request ?m ${DATA}.HTTPRequestProperties;` +
      `4 response ?m ${DATA}.HTTPResponseProperties`,
    [`${DATA}.TCPAccessLogEntry`]: `1 common_properties ?m ${DATA}.AccessLogCommon;2 connection_properties ?m ${DATA}.ConnectionProperties`,
    [`${DATA}.AccessLogCommon`]:
      `4 tls_properties ?m ${DATA}.TLSProperties;12 time_to_last_downstream_tx_byte ?m google.protobuf.Duration;` +
      `15 upstream_cluster =s;16 response_flags ?m ${DATA}.ResponseFlags;23 duration ?m google.protobuf.Duration;` +
      '27 intermediate_log_entry =b',
    [`${DATA}.TLSProperties`]: `5 peer_certificate_properties ?m ${DATA}.TLSProperties.CertificateProperties`,
    [`${DATA}.TLSProperties.CertificateProperties`]: `1 subject_alt_name *m ${DATA}.TLSProperties.CertificateProperties.SubjectAltName`,
    [`${DATA}.TLSProperties.CertificateProperties.SubjectAltName`]: '1 uri ?s',
    [`${DATA}.HTTPRequestProperties`]: '12 request_body_bytes =U',
    [`${DATA}.HTTPResponseProperties`]: '1 response_code ?m google.protobuf.UInt32Value;3 response_body_bytes =U',
    [`${DATA}.ConnectionProperties`]: '1 received_bytes =U;2 sent_bytes =U',
    [`${DATA}.ResponseFlags`]:
      '2 no_healthy_upstream =b;3 upstream_request_timeout =b;6 upstream_connection_failure =b;8 upstream_overflow =b;' +
      '9 no_route_found =b;13 unauthorized_details ?m envoy.data.accesslog.v3.ResponseFlags.Unauthorized;' +
      '25 no_cluster_found =b;27 dns_resolution_failure =b',
    [`${DATA}.ResponseFlags.Unauthorized`]: '',
    'google.protobuf.Duration': '1 seconds =I;2 nanos =i',
    'google.protobuf.UInt32Value': '1 value =u',
  },
  enums: {},
};

export interface Duration {
  readonly seconds: number;
  readonly nanos: number;
}

/** Why a call did not get through; of Envoy's flags those that mean an error of a TCP connection. */
export interface ResponseFlags {
  readonly noHealthyUpstream: boolean;
  readonly upstreamRequestTimeout: boolean;
  readonly upstreamConnectionFailure: boolean;
  readonly upstreamOverflow: boolean;
  readonly noRouteFound: boolean;
  readonly unauthorizedDetails?: object;
  readonly noClusterFound: boolean;
  readonly dnsResolutionFailure: boolean;
}

export interface CommonProperties {
  readonly tlsProperties?: {
    readonly peerCertificateProperties?: { readonly subjectAltName: readonly { readonly uri?: string }[] };
  };
  readonly timeToLastDownstreamTxByte?: Duration;
  readonly upstreamCluster: string;
  readonly responseFlags?: ResponseFlags;
  readonly duration?: Duration;
  readonly intermediateLogEntry: boolean;
}

export interface HttpEntry {
  readonly commonProperties?: CommonProperties;
  readonly request?: { readonly requestBodyBytes: number };
  readonly response?: { readonly responseCode?: { readonly value: number }; readonly responseBodyBytes: number };
}

export interface TcpEntry {
  readonly commonProperties?: CommonProperties;
  readonly connectionProperties?: { readonly receivedBytes: number; readonly sentBytes: number };
}

export interface LogMessage {
  /** In the first message of a stream alone. */
  readonly identifier?: { readonly node?: { readonly id: string }; readonly logName: string };
  readonly httpLogs?: { readonly logEntry: readonly Uint8Array[] };
  readonly tcpLogs?: { readonly logEntry: readonly Uint8Array[] };
}

const codec = createNativeCodec(TABLES);
export const LogMessage: MessageType<LogMessage> = messageType(codec, LOG);
export const HttpEntry: MessageType<HttpEntry> = messageType(codec, `${DATA}.HTTPAccessLogEntry`);
export const TcpEntry: MessageType<TcpEntry> = messageType(codec, `${DATA}.TCPAccessLogEntry`);
