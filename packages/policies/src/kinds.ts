/** Every kind with its schema; a kind without one does not compile. */
import { type KindSchemas, type ParsedDocument, parseJsonDocument } from '@weft/model';
import { httpRouteSchema } from './http-route/schema.ts';
import { serviceSchema } from './service/schema.ts';
import { tcpRouteSchema } from './tcp-route/schema.ts';

export const KIND_SCHEMAS: KindSchemas = {
  Service: serviceSchema,
  HTTPRoute: httpRouteSchema,
  TCPRoute: tcpRouteSchema,
};

/** Reads the JSON of one resource: the resource, or everything that is wrong with it. */
export function readResource(json: string): ParsedDocument {
  return parseJsonDocument(KIND_SCHEMAS, json);
}
