import { join } from 'node:path';

/** What podman and buildah are called with so that all they keep is in a folder. */
export function storageFlags(folder: string): string[] {
  // vfs asks nothing of the file system; overlay cannot be stacked on the overlay that a container's own root is.
  return ['--root', join(folder, 'root'), '--runroot', join(folder, 'runroot'), '--storage-driver', 'vfs'];
}
