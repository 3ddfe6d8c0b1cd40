/** Methods of requests (IANA Hypertext Transfer Protocol Method Registry). */

/** Methods that are taken unless all are: those that Envoy knows, and SSDP's M-SEARCH as it is really written. */
export const METHODS: ReadonlySet<string> = new Set(
  [
    'ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE M-SEARCH MSEARCH',
    'NOTIFY OPTIONS PATCH POST PROPFIND PROPPATCH PURGE PUT QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK UNLOCK',
    'UNSUBSCRIBE',
  ].flatMap((line) => line.split(' ')),
);
