import type { PushRequest } from '../../oci/wire/push-request.ts';
import type { PushContext } from './push-context.ts';
import { deleteBlob, deleteManifest, putManifest } from './push-manifests.ts';
import { appendUpload, beginUpload, cancelUpload, finishUpload, sendUploadStatus } from './push-uploads.ts';

/** Answers a request that pushes. */
export function push(context: PushContext, asked: PushRequest): Promise<void> {
  switch (asked.kind) {
    case 'begin-upload':
      return beginUpload(context, asked);
    case 'upload-status':
      return sendUploadStatus(context, asked);
    case 'append-upload':
      return appendUpload(context, asked);
    case 'finish-upload':
      return finishUpload(context, asked);
    case 'cancel-upload':
      return cancelUpload(context, asked);
    case 'put-manifest':
      return putManifest(context, asked);
    case 'delete-manifest':
      return deleteManifest(context, asked);
    case 'delete-blob':
      return deleteBlob(context, asked);
  }
}
