import { entrepotAddress, entrepotTlsName } from './entrepot.ts';

/** Where clients are told to find Entrepot. */
export interface Mirror {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  /** The file of the authority that signed its certificate, where a client is told of it together with the mirror. */
  readonly authority?: string;
}

/** The door of plain HTTP. */
export const plainMirror: Mirror = { scheme: 'http', host: entrepotAddress };

/** The door of TLS. */
export function tlsMirror(authority: string): Mirror {
  return { scheme: 'https', host: entrepotTlsName, authority };
}
