/** Engines: which engine a URL names. */
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import type { Checked } from "../Settings.ts"
import * as Folder from "./Folder.ts"
import * as Http from "./Http.ts"
import * as Patient from "./Patient.ts"
import * as S3 from "./S3.ts"

const advice =
  (hasCredentials: boolean) =>
  (status: number, method: string): string => {
    if (status === 413) return ". Raise the largest size that it takes (nginx: client_max_body_size 0)"
    if (status >= 300 && status < 400) return ". Name the address that it leads to"
    if (status !== 401 && status !== 403) return ""
    const variables = "OP_PIPE_REMOTE_TOKEN, or OP_PIPE_REMOTE_USER and OP_PIPE_REMOTE_PASSWORD"
    if (!hasCredentials) return `. Set ${variables}`
    return `. Check ${variables}, and that they may ${method === "PUT" ? "write" : "read"}`
  }

/** The engine that a URL names. */
export const of = Effect.fnUntraced(function* (checked: Checked) {
  const { url, bucket, tls, authorization, proxy } = checked
  if (url.protocol === "file:") return yield* Folder.make(url.href, fileURLToPath(url))
  if (bucket !== undefined) return Patient.make(S3.make({ ...bucket, tls, proxy }))
  const headers = authorization === "" ? {} : { authorization }
  const authorize = () => headers
  return Patient.make(Http.make({ base: url, tls, proxy, authorize, advice: advice(authorization !== "") }))
})
