import { Center, Loader } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState } from "react";
import { Route, Switch } from "wouter";
import { Dialog } from "./components/dialog";
import { RegistryProvider, useDiscoveredRegistry, useRegistry } from "./components/hooks";
import { Page } from "./components/page";
import { Shell } from "./components/shell";
import { Empty, Failed, Loading } from "./components/states";
import { LoginForm, LoginPage } from "./features/login/page";
import { LISTS, OWN_PAGES } from "./features/pages";
import { DetailPage } from "./features/resources/detail";
import { ListPage } from "./features/resources/list";
import { socketAddress, whenUnauthenticated } from "./lib/api/client";
import * as sessions from "./lib/api/session";
import { forgetDrafts } from "./lib/draft";
import { messages } from "./lib/messages";
import { LiveContext } from "./lib/watch/hooks";
import { early, WatchSocket } from "./lib/watch/socket";
import { LiveStore } from "./lib/watch/store";

const SESSION = ["session"];
/** Whether the cluster has said which kinds it serves: before that an unknown one may still come. */
const CompleteContext = createContext(false);

export function App() {
  const queries = useQueryClient();
  const session = useQuery({
    queryKey: SESSION,
    queryFn: sessions.current,
    initialData: sessions.given,
    staleTime: Number.POSITIVE_INFINITY,
  });
  // Who was signed in last: their pages stay as they are while they sign in again.
  const last = useRef<string | null>(null);
  if (session.data) last.current = session.data.user;
  const leave = useCallback(async () => {
    await sessions.logout();
    last.current = null;
    forgetDrafts();
    queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== SESSION[0] });
    // A fresh CSRF token comes with the question.
    queries.setQueryData(SESSION, await sessions.current());
  }, [queries]);
  if (session.isError) {
    return (
      <Center mih="100vh" p="md">
        <Failed error={session.error} onRetry={() => void session.refetch()} />
      </Center>
    );
  }
  if (session.isPending) {
    return (
      <Center h="100vh">
        <Loader aria-label={messages.loading} />
      </Center>
    );
  }
  // The address stays as it is while signing in, so that one comes back to the same page.
  if (last.current === null) return <LoginPage />;
  return <SignedIn key={last.current} user={last.current} isLost={session.data === null} onLeave={leave} />;
}

function SignedIn({ user, isLost, onLeave }: { user: string; isLost: boolean; onLeave: () => void }) {
  const live = useLiveConnection(isLost);
  return (
    <LiveContext value={live}>
      <WithRegistry>
        <Shell user={user} onLeave={onLeave}>
          <Pages />
        </Shell>
      </WithRegistry>
      {isLost && (
        <Dialog
          onClose={() => {}}
          withCloseButton={false}
          closeOnEscape={false}
          closeOnClickOutside={false}
          aria-label={messages.login.title}
        >
          <LoginForm lead={messages.login.again} user={user} />
        </Dialog>
      )}
    </LiveContext>
  );
}

/** The page's one socket and what it knows. A refusal asks who we are: a session that has ended shows the login. */
function useLiveConnection(isLost: boolean) {
  const queries = useQueryClient();
  const live = useMemo(() => {
    const lost = () => queries.setQueryData(SESSION, null);
    const ask = () =>
      sessions
        .current()
        .then((session) => session ?? lost())
        .catch(() => {});
    whenUnauthenticated(lost);
    const socket = new WatchSocket(socketAddress("/ws/watch"), () => void ask(), early());
    return { socket, store: new LiveStore(socket) };
  }, [queries]);
  useEffect(() => {
    if (isLost) return;
    live.socket.retryNow();
    void queries.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== SESSION[0] });
  }, [live, queries, isLost]);
  useEffect(
    () => () => {
      live.store.clear();
      live.socket.close();
    },
    [live],
  );
  return live;
}

function WithRegistry({ children }: { children: React.ReactNode }) {
  const { registry, isComplete } = useDiscoveredRegistry();
  return (
    <RegistryProvider value={registry}>
      <CompleteContext value={isComplete}>{children}</CompleteContext>
    </RegistryProvider>
  );
}

function Pages() {
  return (
    <Switch>
      {OWN_PAGES.map(({ path, page: View }) => (
        <Route key={path} path={path}>
          <View />
        </Route>
      ))}
      <Route path="/:slug">{({ slug }) => <OfKind slug={slug} />}</Route>
      <Route path="/:slug/:name">
        {({ slug, name }) => <OfKind slug={slug} name={decodeURIComponent(name)} />}
      </Route>
      <Route path="/:slug/:namespace/:name">
        {({ slug, namespace, name }) => (
          <OfKind slug={slug} namespace={decodeURIComponent(namespace)} name={decodeURIComponent(name)} />
        )}
      </Route>
      <Route>
        <NoPage text={messages.list.unknownPage} />
      </Route>
    </Switch>
  );
}

function OfKind({ slug, namespace = "", name = "" }: { slug: string; namespace?: string; name?: string }) {
  const kind = useRegistry().at(slug);
  const isComplete = useContext(CompleteContext);
  const isAsked = useAskedAnew(kind || !isComplete ? "" : slug);
  if (!kind) return isComplete && isAsked ? <NoPage text={messages.list.unknownKind(slug)} /> : <Loading />;
  if (!name) {
    const Own = LISTS[kind.info.kind];
    return Own ? <Own /> : <ListPage key={slug} kind={kind} />;
  }
  if (kind.info.namespaced !== Boolean(namespace)) return <NoPage text={messages.list.unknownPage} />;
  return <DetailPage key={`${slug}/${namespace}/${name}`} kind={kind} namespace={namespace} name={name} />;
}

/** A kind that is not known may have come since discovery was asked: true once it has been asked for this one. */
function useAskedAnew(slug: string): boolean {
  const queries = useQueryClient();
  const [asked, setAsked] = useState("");
  useEffect(() => {
    if (slug) void queries.refetchQueries({ queryKey: ["discovery"] }).finally(() => setAsked(slug));
  }, [queries, slug]);
  return asked === slug;
}

function NoPage({ text }: { text: string }) {
  return (
    <Page title={text}>
      <Empty text={text} />
    </Page>
  );
}
