/** Runs what was built: a Deployment of the image, and a Service where it listens on a port. */
import { NumberInput, TextInput } from "@mantine/core";
import { useState } from "react";
import { useLocation } from "wouter";
import { Confirm } from "../../components/confirm";
import { ApiError } from "../../lib/api/errors";
import * as objects from "../../lib/api/objects";
import { deploymentOf, serviceOf } from "../../lib/builds/run";
import { quote } from "../../lib/commands";
import type { Build } from "../../lib/kinds/build";
import { Deployment } from "../../lib/kinds/deployment";
import { Service } from "../../lib/kinds/service";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";

const text = messages.builds;

export function RunDialog({ build, onClose }: { build: Build; onClose: () => void }) {
  const image = build.wire.status?.tags?.[0] ?? build.wire.spec.tags[0] ?? "";
  const [name, setName] = useState(
    () => /([^/:@]+)(?:[:@][^/]*)?$/.exec(image)?.[1]?.replace(/[^a-z0-9-]/g, "-") ?? "",
  );
  const [replicas, setReplicas] = useState(1);
  const [port, setPort] = useState<number | "">("");
  const [refused, setRefused] = useState<ApiError | null>(null);
  const [, navigate] = useLocation();
  const wanted = { name, namespace: build.namespace, image, replicas, port: port || null };
  const run = async () => {
    setRefused(null);
    try {
      await objects.create(Deployment.info, build.namespace, deploymentOf(wanted));
      if (wanted.port) await objects.create(Service.info, build.namespace, serviceOf(wanted));
    } catch (error) {
      if (error instanceof ApiError) setRefused(error);
      throw error;
    }
  };
  return (
    <Confirm
      title={text.runTitle(image)}
      action={text.run}
      command={{
        kubectl: `kubectl create deployment ${quote(name)} -n ${quote(build.namespace)} --image=${quote(image)} --replicas=${replicas}${port ? ` --port=${port}` : ""}`,
        curl: { path: "" },
      }}
      run={run}
      onClose={onClose}
      onDone={() => navigate(links.object(Deployment.info, build.namespace, name))}
    >
      <TextInput
        label={text.runName}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        error={refused?.forField("metadata.name")}
        data-autofocus
        required
      />
      <NumberInput
        label={text.runReplicas}
        value={replicas}
        onChange={(value) => setReplicas(Number(value) || 0)}
        min={0}
        allowDecimal={false}
        error={refused?.forField("spec.replicas")}
      />
      <NumberInput
        label={text.runPort}
        description={text.runPortHint}
        value={port}
        onChange={(value) => setPort(value === "" ? "" : Number(value))}
        min={1}
        max={65535}
        allowDecimal={false}
      />
    </Confirm>
  );
}
