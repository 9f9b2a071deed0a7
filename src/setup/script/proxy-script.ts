import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** What a machine is told that is to use the proxy door. */
export interface ProxyScriptOptions {
  /** The address of the proxy, as that machine reaches it: `http://cache.example.com:3128`. */
  readonly proxy: string;
  /** The certificates to trust, as PEM, one after the other. */
  readonly bundle: string;
  /** What they can sign for; undefined for every host. */
  readonly hosts: readonly string[] | undefined;
  /** What is said before anything is done. */
  readonly note?: string | undefined;
}

/** The script that makes a machine trust the authority and use the proxy: `proxy.sh`, with what it has to know. */
export function proxyScript({ proxy, bundle, hosts, note }: ProxyScriptOptions): string {
  const certificates = splitBundle(bundle);
  const values = [
    `proxy=${quote(proxy)}`,
    `hosts=${quote(hosts?.join(' ') ?? '')}`,
    `note=${quote(note ?? '')}`,
    `certificates=${quote(certificates.map(({ name }) => name).join(' '))}`,
  ];
  const cases = certificates.map(({ name, pem }) => `    ${name}) cat <<'END' ;;\n${pem}END\n`);
  const lookup = `# certificate NAME\ncertificate() {\n  case $1 in\n${cases.join('')}  esac\n}`;
  // What may hold anything comes last.
  return template()
    .replace('#@CERTIFICATES@', () => lookup)
    .replace('#@VALUES@', () => values.join('\n'));
}

/** Puts text in quotes, so that a shell takes it as it is. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The certificates, each with a name that stays the same: the beginning of its SHA-256. */
function splitBundle(bundle: string): { readonly name: string; readonly pem: string }[] {
  const blocks = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => {
    // Written anew: nothing but what is the certificate gets into the script.
    const { raw } = new X509Certificate(block);
    const lines = raw.toString('base64').match(/.{1,64}/g) ?? [];
    const pem = ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
    return { name: createHash('sha256').update(raw).digest('hex').slice(0, nameDigits), pem };
  });
}

const nameDigits = 12; // of a name that nobody else's certificate has

let read: string | undefined;

function template(): string {
  read ??= readFileSync(new URL('./proxy.sh', import.meta.url), 'utf8');
  return read;
}
