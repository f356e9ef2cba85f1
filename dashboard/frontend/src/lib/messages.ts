/** Every text of the interface, in one place. */
export const messages = {
  product: "Slipway",
  login: {
    title: "Sign in",
    lead: "The administrator's password was printed by `make up` and is kept in $SLIPWAY_HOME/admin-password.",
    username: "User name",
    password: "Password",
    submit: "Sign in",
    logout: "Sign out",
  },
  connection: {
    lost: "Connection to the control plane lost. What you see may be out of date; trying again…",
  },
  overview: {
    nodes: "Nodes",
    pods: "Pods",
    noNodes: "No node has joined yet. `make up` starts one on this machine.",
    noPods: "Nothing runs yet. Try: kubectl apply -f examples/hello.yaml",
    noMatch: "No pod matches this filter.",
    filter: "Filter by name, node, image or status",
    namespace: "Namespace",
    allNamespaces: "All namespaces",
    share: (used: string, total: string, counted: boolean) =>
      `${used} of ${total}${counted ? "" : " requested"}`,
    well: "Everything is well",
  },
  pod: {
    log: "Log",
    containers: "Containers",
    container: "Container",
    previous: "Previous",
    following: "Following",
    ended: "The log has ended.",
    lost: "Connection lost; trying again…",
    gone: "This pod no longer exists.",
    back: "All pods",
    reload: "Read again",
    exitCode: "exit code",
  },
  theme: "Switch between light and dark",
};
