/**
 * Engine: where a shared cache keeps its bytes: a server, a bucket, a folder.
 *
 * The layout is that of Bazel's HTTP caches, so that what serves those serves this: `cas/<SHA-256>` holds bytes by their digest,
 * `ac/<key>` says which of them are the result of a key. An engine makes one attempt at one transfer, and believes nothing:
 * digests are checked by whoever asks.
 */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Digest from "../../identity/Digest.ts"

export type Kind = "ac" | "cas"

/** What is uploaded: bytes, or as many as are read piece by piece. Of the latter the name is the SHA-256. */
export type Body = Uint8Array | { readonly sizeBytes: number; readonly read: () => AsyncIterable<Uint8Array> }

export const sizeOf = (body: Body): number => (body instanceof Uint8Array ? body.length : body.sizeBytes)

/** A transfer failed. */
export class RemoteError extends Data.TaggedError("RemoteError")<{
  /** In words, with what to do about it. */
  readonly reason: string
  /** What an HTTP server answered, if it did. */
  readonly status?: number
  /** Whether the same may succeed if it is tried again at once. */
  readonly isPassing: boolean
}> {
  readonly fault = "stage"

  override get message(): string {
    return this.reason
  }
}

export interface Engine {
  /** For people; without credentials. */
  readonly address: string
  /** Gives the bytes of `name` to `take`; none if there is nothing of that name. An error in the midst of them is `fetch`'s. */
  readonly fetch: <A, E, R>(
    kind: Kind,
    name: Digest.Digest,
    take: (body: AsyncIterable<Uint8Array>) => Effect.Effect<A, E, R>
  ) => Effect.Effect<Option.Option<A>, RemoteError | E, R>
  readonly has: (kind: Kind, name: Digest.Digest) => Effect.Effect<boolean, RemoteError>
  /** Afterwards all of `body` is there under `name`, or nothing of it. */
  readonly put: (kind: Kind, name: Digest.Digest, body: Body) => Effect.Effect<void, RemoteError>
}
