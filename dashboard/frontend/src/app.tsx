import { Center, Loader } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { Route, Switch } from "wouter";
import { Shell } from "./components/shell";
import { LoginPage } from "./features/login/page";
import { OverviewPage } from "./features/overview/page";
import { PodPage } from "./features/pods/page";
import * as sessions from "./lib/session";
import { WatchSocket } from "./lib/watch/socket";
import { WatchContext } from "./lib/watch/useWatch";

export function App() {
  const session = useQuery({
    queryKey: ["session"],
    queryFn: sessions.current,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (session.isPending) {
    return (
      <Center h="100vh">
        <Loader aria-label="Loading" />
      </Center>
    );
  }
  // The address stays as it is while signing in, so that one comes back to the same page.
  return session.data ? <Pages user={session.data.user} /> : <LoginPage />;
}

function Pages({ user }: { user: string }) {
  const queries = useQueryClient();
  const socket = useMemo(() => {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    return new WatchSocket(`${scheme}://${location.host}/ws/watch`, () =>
      queries.setQueryData(["session"], null),
    );
  }, [queries]);
  useEffect(() => () => socket.close(), [socket]);
  return (
    <WatchContext value={socket}>
      <Shell user={user}>
        <Switch>
          <Route path="/pods/:namespace/:name">
            {({ namespace, name }) => <PodPage namespace={namespace} name={name} />}
          </Route>
          <Route>
            <OverviewPage />
          </Route>
        </Switch>
      </Shell>
    </WatchContext>
  );
}
