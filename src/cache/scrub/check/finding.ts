import type { Digest } from '../../../oci/digest.ts';
import type { Repository } from '../../../oci/reference.ts';

/** Something that is not as it should be. */
export type Finding =
  /** The stored bytes are others than the digest says: `found` is what they are. */
  | { readonly kind: 'damaged'; readonly digest: Digest; readonly sizeBytes: number; readonly found: Digest }
  /** The stored bytes cannot be read, so nobody can tell what they are. They are left alone. */
  | { readonly kind: 'unreadable'; readonly digest: Digest; readonly reason: string }
  /** The index has it, the store does not. */
  | { readonly kind: 'missing'; readonly digest: Digest; readonly sizeBytes: number }
  /** The store has it, and its bytes are right, but the index does not. */
  | { readonly kind: 'unindexed'; readonly digest: Digest; readonly sizeBytes: number }
  /** The bytes are right, the size that the index has is not. */
  | { readonly kind: 'wrong size'; readonly digest: Digest; readonly sizeBytes: number; readonly notedBytes: number }
  /** A cached repository is said to have content that is not stored, and that nobody is downloading any more. */
  | { readonly kind: 'dead link'; readonly digest: Digest; readonly registry: string; readonly repository: Repository }
  /** A hosted repository needs content that is not stored any more. Nobody else has it: somebody has to push it again. */
  | { readonly kind: 'lost'; readonly digest: Digest; readonly registry: string; readonly repository: Repository }
  /** A file in the store's folders that belongs to no layout. */
  | { readonly kind: 'leftover'; readonly path: string; readonly sizeBytes: number };

/** What kinds of findings there are, in the order in which people are told of them. */
export const findingKinds: readonly Finding['kind'][] = [
  'damaged',
  'unreadable',
  'missing',
  'wrong size',
  'unindexed',
  'dead link',
  'lost',
  'leftover',
];
