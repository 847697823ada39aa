import { Epoch, History } from "../../schemas/Train.ts"
import { schemaLaws } from "./laws.ts"

schemaLaws("Epoch", Epoch)
schemaLaws("History", History)
