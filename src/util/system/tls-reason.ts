// An address, a number, the library and its function are in front, a file of its source and a line behind.
const openSslPattern = /SSL routines:[^:]*:([^:]+):/;

/** Of what OpenSSL says of a connection, the part that is for people; every other message as it is. */
export function tlsReason(message: string): string {
  const reason = openSslPattern.exec(message)?.[1];
  if (reason === undefined) return message;
  return reason === 'wrong version number' ? 'it answers without TLS' : reason;
}
