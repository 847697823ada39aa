import { Manifest, SplitParams } from "../../schemas/Split.ts"
import { schemaLaws } from "./laws.ts"

schemaLaws("SplitParams", SplitParams)
schemaLaws("Manifest", Manifest)
