/** The dashboard: signs in, then shows one of its pages. */
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense, useState, useSyncExternalStore } from "react";
import { Route, Switch } from "wouter";
import { ApiError } from "./api/errors";
import { signInState, subscribeSignIn } from "./api/session";
import { BoardPage } from "./features/board/BoardPage";
import { NotFound } from "./features/shell/NotFound";
import { Shell } from "./features/shell/Shell";
import { SignInPage } from "./features/signin/SignInPage";
import { LiveProvider } from "./live/LiveProvider";
import { ErrorBoundary } from "./ui/ErrorBoundary";
import { Skeleton } from "./ui/Skeleton";
import { Toasts } from "./ui/Toasts";

// Terminal and diff viewer are heavy; the board does without them.
const RunPage = lazy(() => import("./features/run/RunPage"));
const ReviewsPage = lazy(() => import("./features/review/ReviewsPage"));
const ProjectsPage = lazy(() => import("./features/projects/ProjectsPage"));
const SourcesPage = lazy(() => import("./features/sources/SourcesPage"));
const SessionsPage = lazy(() => import("./features/sessions/SessionsPage"));
const SessionPage = lazy(() => import("./features/sessions/SessionPage"));
const TaskPage = lazy(() => import("./features/task/TaskPage"));

function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 2_000,
        retry: (failures, error) =>
          failures < 2 && error instanceof ApiError && (error.status === 0 || error.status >= 500),
      },
    },
  });
}

export function App({ token }: { token: string | undefined }) {
  const [queries] = useState(makeQueryClient);
  return (
    <QueryClientProvider client={queries}>
      <Gate token={token} onSignedIn={() => queries.clear()} />
      <Toasts />
    </QueryClientProvider>
  );
}

/** Nothing is asked before a token of the link was tried, and nothing is shown to who is signed out. */
function Gate({ token, onSignedIn }: { token: string | undefined; onSignedIn: () => void }) {
  const state = useSyncExternalStore(subscribeSignIn, signInState);
  const [tried, setTried] = useState(token === undefined);
  if (state === "signed-out" || !tried) {
    return (
      <SignInPage
        token={tried ? undefined : token}
        onDone={() => {
          onSignedIn();
          setTried(true);
        }}
      />
    );
  }
  return (
    <LiveProvider>
      <Shell>
        <ErrorBoundary what="this page">
          <Suspense fallback={<Skeleton lines={6} />}>
            <Switch>
              <Route path="/" component={BoardPage} />
              <Route path="/runs/:id">{({ id }) => <RunPage key={id} id={id} />}</Route>
              <Route path="/tasks/:id">{({ id }) => <TaskPage key={id} id={id} />}</Route>
              <Route path="/reviews" component={ReviewsPage} />
              <Route path="/projects" component={ProjectsPage} />
              <Route path="/sessions" component={SessionsPage} />
              <Route path="/sessions/:id">{({ id }) => <SessionPage key={id} id={id} />}</Route>
              <Route path="/sources" component={SourcesPage} />
              <Route component={NotFound} />
            </Switch>
          </Suspense>
        </ErrorBoundary>
      </Shell>
    </LiveProvider>
  );
}
