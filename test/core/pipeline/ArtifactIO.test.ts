/** Artifacts as a stage reads and writes them. */
import * as path from "node:path"
import { NodeServices } from "@effect/platform-node"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { systemError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import { describe, expect } from "vitest"
import { Artifact } from "../../../core/index.ts"
import * as ArtifactIO from "../../../core/pipeline/ArtifactIO.ts"
import { temporaryFolder } from "../../lib/temporary.ts"

const Blob = Artifact.file({ tag: "Blob/v1", path: "deep/blob.bin" })
const Names = Artifact.json({ tag: "Names/v1", path: "names.json", schema: Schema.Array(Schema.String) })

/** The file system of a disk that is full. */
const full = (fs: FileSystem.FileSystem): FileSystem.FileSystem => {
  const fail = () =>
    Effect.fail(systemError({ _tag: "Unknown", module: "FileSystem", method: "write", description: "ENOSPC" }))
  return FileSystem.FileSystem.of({ ...fs, writeFile: fail, writeFileString: fail })
}

describe("a file", () => {
  it.effect("comes back as it was written", () =>
    Effect.gen(function* () {
      const folder = temporaryFolder()
      const writer = yield* ArtifactIO.writer(Blob, folder)
      yield* writer.write(new Uint8Array([1, 2, 255]))
      expect(writer.path).toBe(path.join(folder, "deep/blob.bin"))
      const bytes = yield* ArtifactIO.reader(Blob, writer.path).bytes
      expect(Array.from(bytes)).toEqual([1, 2, 255])
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("that is not there is an error that names it", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ArtifactIO.reader(Blob, "/nowhere/blob.bin").bytes)
      expect(error).toMatchObject({ _tag: "ArtifactError", artifact: "Blob/v1", path: "/nowhere/blob.bin" })
    }).pipe(Effect.provide(NodeServices.layer))
  )
})

describe("on a full disk", () => {
  it.effect("a file and a document are errors that say so, and no defects", () =>
    Effect.gen(function* () {
      const fs = full(yield* FileSystem.FileSystem)
      const folder = temporaryFolder()
      const [blob, names] = [yield* ArtifactIO.writer(Blob, folder), yield* ArtifactIO.writer(Names, folder)]
      for (const write of [blob.write(new Uint8Array(7)), names.write(["a"])]) {
        const error = yield* Effect.flip(Effect.provideService(write, FileSystem.FileSystem, fs))
        expect(error._tag).toBe("ArtifactError")
        expect(error.message).toMatch(/room to write.*ENOSPC/)
      }
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
