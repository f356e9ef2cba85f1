/** The small forms, in the order of the page. */
import { claim } from "./claim";
import { configMap } from "./configmap";
import type { SmallForm } from "./definition";
import { ingress } from "./ingress";
import { namespace } from "./namespace";
import { secret } from "./secret";
import { service } from "./service";

export const SMALL_FORMS: readonly SmallForm[] = [configMap, secret, service, ingress, claim, namespace];
