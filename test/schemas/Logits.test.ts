import { LogitsParams } from "../../schemas/Logits.ts"
import { schemaLaws } from "./laws.ts"

schemaLaws("LogitsParams", LogitsParams)
