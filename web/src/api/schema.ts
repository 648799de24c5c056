// Generated from openapi.json by `npm run codegen`. Do not edit.

export interface paths {
    "/api/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This document. */
        get: operations["openapi_json"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/accounts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Accounts, by name. */
        get: operations["account_list"];
        put?: never;
        /** Makes an account. */
        post: operations["account_create"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/accounts/{username}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Gives an account another password or another scope; all of its sign-ins end. */
        put: operations["account_change"];
        post?: never;
        /** Removes an account; all of its sign-ins end. */
        delete: operations["account_delete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/config/reload": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Reads the configuration again, as SIGHUP does, and says what holds now and what only after a restart.
         * @description A configuration with an error changes nothing; the answer is then 400 and says all that is wrong.
         */
        post: operations["config_reload"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What changes, as it changes: server-sent events.
         * @description `event:` is the type, `id:` the sequence number, `data:` the JSON of `Event`. The first is a `snapshot`, and another
         *     follows every gap: it replaces what was known. Comments are heartbeats. `Last-Event-ID` is not needed.
         */
        get: operations["events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/logs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The newest lines of the control plane's log, one JSON object a line, the oldest first.
         * @description What is kept is bounded, so the beginning may be missing. With `follow` it goes on until the client leaves; an empty line
         *     is a heartbeat.
         */
        get: operations["logs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who the caller is and what it may do. */
        get: operations["me"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/projects": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Projects as configured. */
        get: operations["project_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/retention": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What would go now. Nothing is removed. */
        get: operations["retention_show"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/retention/apply": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Removes what is kept no longer (scope admin); refused while that is under way. */
        post: operations["retention_apply"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/reviews": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tasks that wait for a decision. */
        get: operations["review_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/reviews/{task}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One task with its evidence. */
        get: operations["review_show"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/reviews/{task}/approve": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Merges the work and completes the task. */
        post: operations["review_approve"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/reviews/{task}/diff": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What the work under review changed. */
        get: operations["review_diff"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/reviews/{task}/reject": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sends the work back with a comment, or discards it when there is none (its branch stays in the mirror). */
        post: operations["review_reject"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Runs, newest first. */
        get: operations["run_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One run with its evidence. */
        get: operations["run_show"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/answer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Answers what a run's agent asks people.
         * @description The agent goes on with it, and is told who answered. A question is answered once: a second answer, and one to a question that is
         *     open no more, is refused (409).
         */
        post: operations["run_answer"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/diff": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a run changed. */
        get: operations["run_diff"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A run's reports, in the order they came. */
        get: operations["run_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/say": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** A line for a run's agent. */
        post: operations["run_say"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stops a run; its work is saved and its task paused. */
        post: operations["run_stop"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/terminal": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The terminal's bytes as they came, without frames.
         * @description `X-Strawboss-Offset` says which byte comes first: later than `from` when the beginning is no longer kept. The answer
         *     is cut off (no orderly end) when bytes in between were lost; ask again from where it broke.
         */
        get: operations["run_terminal"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Sessions of live runs and of the newest finished ones, those in containers, and for `admin` those of the host, where they
         *     are served.
         */
        get: operations["session_list"];
        put?: never;
        /** Opens a session: a shell in a container of its own (scope `write`), or one of the host (scope `admin`). */
        post: operations["session_create"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sessions/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One session that stands free of runs. */
        get: operations["session_show"];
        put?: never;
        post?: never;
        /**
         * Deletes a session: one of the host with all that runs in it (scope `admin`), one in a container with its volume.
         * @description What the project of a container does not have of what is on the volume is saved to a ref before it goes; the answer says
         *     to which.
         */
        delete: operations["session_delete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sessions/{id}/start": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Starts a session in a container again, on the volume that it had. */
        post: operations["session_start"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sessions/{id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stops a session in a container: what is on its volume is saved to a ref, and the volume stays until it is deleted. */
        post: operations["session_stop"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sign-in": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Signs a browser in: answers with an HttpOnly cookie.
         * @description Further requests with that cookie that change something need the header `X-Strawboss: 1` and an `Origin` of this
         *     server. Wrong tokens from one address are answered ever more slowly (429 with `Retry-After`).
         */
        post: operations["sign_in"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sign-out": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes the browser's cookie back. */
        post: operations["sign_out"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The parts of the system as observed, each with its time. */
        get: operations["status"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tasks in order of making. */
        get: operations["task_list"];
        put?: never;
        /** Adds a task by hand. */
        post: operations["task_add"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One task. */
        get: operations["task_show"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks/{id}/approve": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lets an agent start on a pending task. */
        post: operations["task_approve"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks/{id}/block": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Blocks a task with a person's reason. */
        post: operations["task_block"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks/{id}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Queues a task whose run failed, with a fresh run. */
        post: operations["task_retry"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks/{id}/start": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Queues a task that is paused, pending, blocked or cancelled. */
        post: operations["task_start"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks/{id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stops its run (the work is saved), or takes it out of the queue: paused. */
        post: operations["task_stop"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tokens without their secrets. */
        get: operations["token_list"];
        put?: never;
        /** Makes a token; its secret is in this answer and nowhere else. */
        post: operations["token_create"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tokens/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Ends a token, and the sessions that were opened with it. */
        delete: operations["token_revoke"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether the process answers. Says nothing about what stands behind it. */
        get: operations["health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Everything measured, in Prometheus' text format. */
        get: operations["metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ready": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Whether store, engine, gateway and runner work, looked at now. How each is, and since when, is told only to who has
         *     credentials.
         */
        get: operations["ready"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ws/sessions/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Attaches to a session's terminal: a WebSocket.
         * @description Clients of this protocol offer the subprotocol `strawboss.v1`; others are answered as the terminal service was that this
         *     one replaces. Text frames are `SessionServerMessage` and `SessionClientMessage`, binary frames terminal bytes both ways (input 64 KiB
         *     at most). The first frame is `ready`. Input, lines and sizes need the scope `write`, sessions of the host `admin` for
         *     everything. A browser's cookie is taken only from this server's own pages (`Origin`).
         */
        get: operations["session_terminal"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description What becomes of an account: what is left out stays. Its sign-ins end in any case. */
        AccountChange: {
            /** @description Another password. */
            password?: string | null;
            /** @description What it may do from now on. */
            scope?: string | null;
        };
        /** @description A person who signs in with a name and a password. */
        AccountView: {
            /**
             * Format: int64
             * @description When it was made, milliseconds since 1970 UTC.
             */
            created_at: number;
            /** @description What the account's sign-ins may do: `read`, `write` or `admin`. */
            scope: string;
            /**
             * Format: int32
             * @description How many of its sign-ins are good now.
             */
            sign_ins: number;
            /** @description What the person signs in as. */
            username: string;
        };
        /** @description An answer to what a run's agent asks: `POST /api/v1/runs/{id}/answer`. */
        AnswerQuestion: {
            /**
             * Format: int32
             * @description The number of the question that is meant.
             */
            question: number;
            /** @description The answer, 16 000 bytes at most. */
            text: string;
        };
        /** @description A person's answer to an agent. */
        AnswerView: {
            /**
             * Format: int64
             * @description When, milliseconds since 1970 UTC.
             */
            at: number;
            /** @description Who: the label of what they signed in with. */
            by: string;
            /** @description What they said. */
            text: string;
            /**
             * Format: int64
             * @description When it was seen that the answer reached the agent.
             */
            told_at?: number | null;
        };
        /** @description What to do with a task: `POST /api/v1/tasks/{id}/{action}` has no body but for block. */
        BlockTask: {
            /** @description Why, for people. */
            reason: string;
        };
        /** @description The shape of a block on the wire. */
        BlockView: {
            /** @description `no_such_project`, `no_gpu`, `failed`, … */
            code: string;
            /** @description What to do. */
            fix: string;
            /** @description What is wrong. */
            message: string;
        };
        /** @description The shape of a check's result on the wire. */
        CheckView: {
            /** @description The command. */
            command: string;
            /**
             * Format: int64
             * @description Milliseconds.
             */
            duration_ms: number;
            /**
             * Format: int32
             * @description Its exit code; none when a signal or the time limit ended it.
             */
            exit_code?: number | null;
            /** @description The end of what it printed. */
            output_tail: string;
        };
        /** @description A task that another one depends on. */
        DependencyView: {
            /** @description By which name the source has it. */
            name: string;
            /** @description The task's key; none: there is none of that name. */
            task?: string | null;
        };
        /** @description A diff in numbers. */
        DiffStat: {
            /**
             * Format: int32
             * @description Lines.
             */
            added: number;
            /**
             * Format: int32
             * @description Files.
             */
            files: number;
            /**
             * Format: int32
             * @description Lines.
             */
            removed: number;
        };
        /** @description A diff. */
        DiffView: {
            /** @description From. */
            base: string;
            /** @description To. */
            head: string;
            /** @description Unified diff, cut to 2 MiB; bytes that are no UTF-8 replaced. */
            patch: string;
            /** @description In numbers. */
            stat: components["schemas"]["DiffStat"];
            /** @description Whether it was cut. */
            truncated: boolean;
        };
        /** @description Every error of the API. */
        ErrorBody: {
            /** @description `not_found`, `conflict`, `invalid`, `unauthorized`, `forbidden`, `unavailable`, `internal`. */
            code: string;
            /** @description What to do. */
            fix?: string | null;
            /** @description What was tried and why it failed. */
            message: string;
        };
        /** @description What `GET /api/v1/events` (SSE) sends: `event:` is the `type`, `id:` the sequence number, `data:` this. */
        Event: {
            /** @description Tasks. */
            tasks: components["schemas"]["TaskView"][];
            /** @enum {string} */
            type: "snapshot";
        } | {
            /** @description As it is now. */
            task: components["schemas"]["TaskView"];
            /** @enum {string} */
            type: "task";
        } | {
            /** @description It. */
            report: components["schemas"]["RunEvent"];
            /** @description Its run. */
            run: string;
            /** @enum {string} */
            type: "run_report";
        } | {
            /** @description As observed. */
            source: components["schemas"]["SourceView"];
            /** @enum {string} */
            type: "source";
        };
        /** @description The process answers. */
        Health: {
            /** @description `ok`. */
            status: string;
            /** @description This program's version. */
            version: string;
        };
        /** @description What a sandbox used when it was heard last. */
        LoadView: {
            /**
             * Format: int64
             * @description When, milliseconds since 1970 UTC.
             */
            at: number;
            /**
             * Format: int64
             * @description CPU time in milliseconds.
             */
            cpu_ms?: number | null;
            /**
             * Format: int64
             * @description Bytes on the volume.
             */
            disk_bytes?: number | null;
            /**
             * Format: int64
             * @description Memory in bytes.
             */
            memory_bytes?: number | null;
            /**
             * Format: int32
             * @description Processes.
             */
            processes?: number | null;
        };
        /** @description A line of the control plane's own log. */
        LogLine: {
            /**
             * Format: int64
             * @description When, milliseconds since 1970 UTC.
             */
            at: number;
            /** @description Everything else, `request.id` among it. */
            fields?: {
                [key: string]: string;
            };
            /** @description `error`, `warn`, `info`, `debug` or `trace`. */
            level: string;
            /** @description What. */
            message: string;
            /** @description The run that it is about. */
            run?: string | null;
            /**
             * Format: int64
             * @description Its number since the control plane started; those of earlier starts have none.
             */
            seq?: number;
            /** @description The part of the program that says it. */
            target: string;
        };
        /** @description Who the caller is. */
        Me: {
            /**
             * Format: int64
             * @description When that stops working, milliseconds since 1970 UTC.
             */
            expires_at?: number | null;
            /** @description What the token is for. */
            label: string;
            /** @description What it allows: `read`, `write` (and `read`) or `admin` (and all). */
            scope: components["schemas"]["Scope"];
            /** @description The token's id; `admin` for the admin token. */
            token: string;
            /** @description How the caller said who it is: `bearer` or `cookie`. */
            via: components["schemas"]["Via"];
        };
        /** @description An account to be made. */
        NewAccount: {
            /** @description The password: 6 characters at least. */
            password: string;
            /** @description What it may do: `read`, `write` (when left out) or `admin`. */
            scope?: string | null;
            /** @description What the person signs in as: 1 to 64 letters, digits and `._@+-`. */
            username: string;
        };
        /** @description A session to be made. */
        NewSession: {
            /** @description What runs in it: a shell when left out. */
            command?: string | null;
            /** @description Where it begins, on the host: the project's folder or the home folder when left out. */
            folder?: string | null;
            /** @description The image of a container: its project's when left out. Without a project it is needed. */
            image?: string | null;
            /** @description Where it runs. */
            kind: components["schemas"]["NewSessionKind"];
            /** @description What it is asked for by: letters, digits, dashes and underscores, 64 at most. */
            name: string;
            /** @description Whether only its owner and admins may attach to it (containers only). */
            private?: boolean;
            /** @description The project whose repository it begins in. */
            project?: string | null;
        };
        /**
         * @description Where a session runs.
         * @enum {string}
         */
        NewSessionKind: "container" | "host";
        /** @description A new task by hand. */
        NewTask: {
            /** @description What shall be done. */
            action: string;
            /** @description An agent's word. */
            agent?: string | null;
            /** @description `YYYY-MM-DD`. */
            deadline?: string | null;
            /** @description The keys of tasks that must be done before. */
            depends_on?: string[];
            /**
             * @description How its agent works, `headless` or `interactive`; none: as its project says.
             * @example interactive
             */
            mode?: string | null;
            /** @description A key of `models:`. */
            model?: string | null;
            /** @description Whether it needs a GPU. */
            needs_gpu?: boolean;
            /**
             * Format: int32
             * @description 1 first.
             */
            priority?: number | null;
            /** @description Its project. */
            project: string;
        };
        /** @description A new API token: `POST /api/v1/tokens`. */
        NewToken: {
            /**
             * Format: int32
             * @description Days until it stops working.
             */
            expires_in_days?: number | null;
            /** @description What it is for. */
            label: string;
            /** @description `admin`, `write` or `read`. */
            scope: string;
        };
        /** @description A page of a list. */
        Page_RunEvent: {
            /** @description The items. */
            items: {
                /**
                 * Format: int64
                 * @description When it came, milliseconds since 1970 UTC.
                 */
                at: number;
                /** @description The supervisor's report (protocol `ReportBody`), with `kind`. */
                body: Record<string, never>;
                /**
                 * Format: int64
                 * @description Grows; ask for what comes after it.
                 */
                row: number;
                /** @description Which sandbox of the run said so. */
                sandbox: string;
            }[];
            /** @description Ask with `after=` this for more; none: that was all. */
            next?: string | null;
        };
        /** @description A page of a list. */
        Page_TaskView: {
            /** @description The items. */
            items: {
                /** @description What shall be done. */
                action: string;
                /** @description The agent that the row asks for. */
                agent?: string | null;
                /**
                 * Format: int32
                 * @description How many runs there have been.
                 */
                attempts: number;
                block?: components["schemas"]["BlockView"] | null;
                /**
                 * Format: int64
                 * @description When it was made, milliseconds since 1970 UTC.
                 */
                created_at: number;
                /** @description The day it is due, `YYYY-MM-DD`. */
                deadline?: string | null;
                /** @description What must be done before it starts. */
                depends_on: components["schemas"]["DependencyView"][];
                /** @description Its key. */
                id: string;
                /**
                 * @description How its agent works, `headless` or `interactive`; none: as its project says.
                 * @example interactive
                 */
                mode?: string | null;
                /** @description The Model column. */
                model?: string | null;
                /** @description Whether it needs a GPU. */
                needs_gpu: boolean;
                /**
                 * Format: int32
                 * @description 1 first; 999 when it could not be read.
                 */
                priority: number;
                /** @description Its project. */
                project: string;
                pull_request?: components["schemas"]["PullRequestView"] | null;
                run?: components["schemas"]["RunView"] | null;
                /** @description The source that it comes from: `csv:priorities.csv`. */
                source?: string | null;
                /** @description Where a person reads it at its source, if that is a page. */
                source_url?: string | null;
                /**
                 * @description Where it stands.
                 * @example queued
                 */
                state: string;
                /** @description Its name in the tracker that it comes from, as people say it: `WEB-12`, `acme/web#12`. */
                ticket?: string | null;
                /**
                 * Format: int64
                 * @description When its state changed last, milliseconds since 1970 UTC.
                 */
                updated_at: number;
                /** @description Why a queued task does not start yet, as a sentence. */
                waits_for?: string | null;
            }[];
            /** @description Ask with `after=` this for more; none: that was all. */
            next?: string | null;
        };
        /**
         * @description How a part of the system is.
         * @enum {string}
         */
        PartState: "ok" | "failing" | "unknown";
        /** @description A part of the system as observed. */
        PartView: {
            /** @description In words. */
            detail: string;
            /** @description Its name: what kind of store or runner it is. */
            name: string;
            /**
             * Format: int64
             * @description When it was looked at last, milliseconds since 1970 UTC.
             */
            observed_at?: number | null;
            /** @description Whether that is `ok`. */
            ok: boolean;
            /**
             * Format: int64
             * @description Since when it is so, milliseconds since 1970 UTC.
             */
            since: number;
            /** @description How it is. */
            state: components["schemas"]["PartState"];
        };
        /** @description A phase of a run's plan, other than its own. */
        PhaseView: {
            /**
             * Format: int32
             * @description Which, from 0.
             */
            phase: number;
            /** @description Its title. */
            title: string;
        };
        /** @description Something wrong in a source. */
        ProblemView: {
            /** @description The column. */
            column?: string | null;
            /**
             * Format: int64
             * @description From 1; 0 when it is about the whole.
             */
            line: number;
            /** @description What is wrong and what was done about it. */
            message: string;
            /** @description Whether the row was left out. */
            skipped: boolean;
        };
        /** @description How far an agent says that it is: its own word. */
        ProgressView: {
            /**
             * Format: int64
             * @description When it said so, milliseconds since 1970 UTC.
             */
            at: number;
            /**
             * Format: int32
             * @description How much of the task is done, 0 to 100.
             */
            percent?: number | null;
            /** @description What it says. */
            text: string;
        };
        /** @description A project as people see it. */
        ProjectView: {
            /** @description The agent for rows that name none. */
            agent: string;
            /** @description What sandboxes may reach. */
            allow: string[];
            /** @description `auto` or `manual`. */
            approval: string;
            /** @description The branch that work starts from. */
            branch?: string | null;
            /** @description The checks. */
            checks: string[];
            /** @description The image. */
            image?: string | null;
            /**
             * @description How its agents work, `headless` or `interactive`; none: headless, but for tickets that a person approved.
             * @example interactive
             */
            mode?: string | null;
            /** @description Its name. */
            name: string;
            /** @description Why it cannot be worked on, and the fix. */
            problem?: string | null;
            /** @description Directory or URL. */
            repository: string;
            /** @description `manual`, `auto` or `pull_request`. */
            review: string;
        };
        /** @description A pull request. */
        PullRequestView: {
            /**
             * Format: int64
             * @description Its number in its repository.
             */
            number: number;
            /** @description `open`, `merged` or `closed`, as it was last seen. */
            state: string;
            /** @description Where people look at it. */
            url: string;
        };
        /** @description What an agent asks people. Text of a sandbox: to be shown as it is. */
        QuestionView: {
            answer?: components["schemas"]["AnswerView"] | null;
            /**
             * Format: int64
             * @description When, milliseconds since 1970 UTC.
             */
            at: number;
            /** @description The answers that it offers; any other may be given. */
            choices: string[];
            /**
             * Format: int32
             * @description From 1, counted in its run.
             */
            number: number;
            /** @description What it asks. */
            text: string;
        };
        /** @description What `GET /ready` says to whoever has credentials; to others only `status` and `version`. */
        ReadyView: {
            /** @description `unavailable` when it is not ready. */
            code?: string | null;
            /** @description What to do when it is not ready. */
            fix?: string | null;
            /** @description Why it is not ready. */
            message?: string | null;
            /** @description Store, engine, gateway and runner, by these names. */
            parts?: {
                [key: string]: components["schemas"]["PartView"];
            };
            /** @description `ok`, or `failing` with HTTP status 503. */
            status: components["schemas"]["PartState"];
            /** @description This program's version. */
            version: string;
        };
        /** @description The shape of a refusal on the wire. */
        RefusalView: {
            /**
             * Format: int64
             * @description How often.
             */
            count: number;
            /** @description One of the agent's own known probes. */
            known_probe: boolean;
            /**
             * Format: int64
             * @description When last.
             */
            last_at: number;
            /** @description Why it was refused. */
            reason: string;
            /** @description What was asked for. */
            target: string;
        };
        /** @description A decision with words: `POST /api/v1/reviews/{task}/reject`. */
        Reject: {
            /** @description What the agent shall do; none discards the work (the branch stays in the mirror). */
            comment?: string | null;
        };
        /** @description What a reload of the configuration came to. */
        ReloadView: {
            /** @description What is other than before, and holds only after a restart. */
            after_restart: string[];
            /** @description What is other than before, and holds from now on. */
            changed: string[];
            /** @description Projects that are gone or have moved, and stay as they were while runs of them are live: reload once more then. */
            kept: string[];
            /** @description What is doubtful in the configuration. */
            warnings: string[];
        };
        /** @description A session that was deleted. */
        RemovedSession: {
            /** @description Whether its container and its volume are gone; false: they go by themselves, as soon as what is on them is saved. */
            gone: boolean;
            /** @description Which. */
            id: string;
            /** @description The repository that has that ref. */
            repository?: string | null;
            /** @description The ref that holds what was on its volume; none: there was nothing that its project does not have. */
            saved_ref?: string | null;
        };
        /** @description A thing that goes. */
        RetentionItem: {
            /**
             * Format: int64
             * @description How large it is, where that is known.
             */
            bytes?: number | null;
            /** @description `age` or `size`. */
            cause: string;
            /** @description What it is: a run, a cache, a ref. */
            id: string;
            /** @description Why it is still there, when it should have been removed. */
            problem?: string | null;
            /**
             * Format: int64
             * @description Since when it is of no use, milliseconds since 1970 UTC.
             */
            since: number;
        };
        /** @description One kind of thing that is kept for a while. */
        RetentionKind: {
            /**
             * Format: int64
             * @description What is older goes, milliseconds; none: nothing goes for its age.
             */
            age_ms?: number | null;
            /**
             * Format: int64
             * @description How large they were together, as far as that is known.
             */
            bytes?: number | null;
            /**
             * Format: int64
             * @description How many there were.
             */
            count: number;
            /** @description `recordings`, `reports`, `workspaces`, `caches`, `tools`, `branches`. */
            kind: string;
            /**
             * Format: int64
             * @description How large all of it may be, bytes; none: nothing goes for its size.
             */
            most_bytes?: number | null;
            /** @description Why they could not be looked at: then nothing of them goes. */
            problem?: string | null;
            /** @description What goes, the oldest first. */
            remove: components["schemas"]["RetentionItem"][];
            /**
             * Format: int64
             * @description How large that is together, as far as that is known.
             */
            remove_bytes?: number | null;
        };
        /** @description What retention would remove now, or removed. */
        RetentionView: {
            /** @description Whether it was removed; else it only would be. */
            applied: boolean;
            /**
             * Format: int64
             * @description When this was found, milliseconds since 1970 UTC.
             */
            at: number;
            /** @description Each kind of thing. */
            kinds: components["schemas"]["RetentionKind"][];
        };
        /** @description A task that waits for a decision. */
        ReviewView: {
            /** @description The run with its evidence. */
            evidence: components["schemas"]["RunDetail"];
            /** @description Files changed, lines added and removed. */
            stat: components["schemas"]["DiffStat"];
            /** @description The task. */
            task: components["schemas"]["TaskView"];
        };
        /** @description A run with its evidence. */
        RunDetail: {
            /** @description The commit that it started from. */
            base_commit?: string | null;
            /** @description What the checks did. */
            checks: components["schemas"]["CheckView"][];
            /** @description The commit that it pushed. */
            head_commit?: string | null;
            load?: components["schemas"]["LoadView"] | null;
            /** @description Why the last try to merge did not land. */
            merge_problem?: string | null;
            /** @description The commit that landed. */
            merged_commit?: string | null;
            /** @description The other phases of its plan that its agent says this work does: they are completed with it when it is accepted. */
            phases_done: components["schemas"]["PhaseView"][];
            /** @description What the agent was told first. */
            prompt: string;
            /** @description All that its agent asked people, in order. */
            questions: components["schemas"]["QuestionView"][];
            /**
             * Format: int64
             * @description When retention removed the recording of its terminal.
             */
            recording_removed_at?: number | null;
            /** @description What the door refused. */
            refusals: components["schemas"]["RefusalView"][];
            /**
             * Format: int64
             * @description When retention removed its reports.
             */
            reports_removed_at?: number | null;
            /** @description The run that it resumes. */
            resumes?: string | null;
            /** @description What lists show. */
            run: components["schemas"]["RunView"];
            /** @description The ref that holds saved work in progress. */
            saved_ref?: string | null;
            /** @description The agent's last words. */
            summary?: string | null;
        };
        /** @description A stored report of a run: `GET /api/v1/runs/{id}/events`. */
        RunEvent: {
            /**
             * Format: int64
             * @description When it came, milliseconds since 1970 UTC.
             */
            at: number;
            /** @description The supervisor's report (protocol `ReportBody`), with `kind`. */
            body: Record<string, never>;
            /**
             * Format: int64
             * @description Grows; ask for what comes after it.
             */
            row: number;
            /** @description Which sandbox of the run said so. */
            sandbox: string;
        };
        /** @description A run as people see it in lists. */
        RunView: {
            /** @description The agent. */
            agent: string;
            /** @description Its branch. */
            branch: string;
            /**
             * Format: int64
             * @description Milliseconds since 1970 UTC.
             */
            created_at: number;
            /**
             * Format: int64
             * @description When it ended.
             */
            finished_at?: number | null;
            /** @description Whether checks ran to their end, and all were green. */
            green?: boolean | null;
            /**
             * Format: int64
             * @description When its supervisor was heard last: what is shown was true then.
             */
            heard_at?: number | null;
            /** @description Its id. */
            id: string;
            /**
             * @description How the agent works: `headless` or `interactive`.
             * @example headless
             */
            mode: string;
            /** @description The model. */
            model?: string | null;
            /**
             * @description How it ended.
             * @example succeeded
             */
            outcome?: string | null;
            /** @description Why it ended so. */
            outcome_detail?: string | null;
            progress?: components["schemas"]["ProgressView"] | null;
            /** @description Its project. */
            project: string;
            question?: components["schemas"]["QuestionView"] | null;
            /**
             * Format: int64
             * @description When the agent started.
             */
            started_at?: number | null;
            /**
             * @description Where it stands.
             * @example working
             */
            state: string;
            /** @description The branch that it shall be merged into. */
            target: string;
            /** @description Its task. */
            task: string;
            /** @description What the model cost. */
            usage: components["schemas"]["UsageView"];
            /** @description Why it waits. */
            waiting_for?: string | null;
        };
        /** @description A line for the agent: `POST /api/v1/runs/{id}/say`. */
        Say: {
            /** @description What, 16 KiB at most. */
            text: string;
        };
        /**
         * @description What a token allows.
         * @enum {string}
         */
        Scope: "read" | "write" | "admin";
        /** @description Text frames of `/ws/sessions/{id}` from the viewer. Binary frames are terminal input. */
        SessionClientMessage: {
            /** @description What. */
            text: string;
            /** @enum {string} */
            type: "say";
        } | {
            /**
             * Format: int32
             * @description Columns.
             */
            cols: number;
            /**
             * Format: int32
             * @description Rows.
             */
            rows: number;
            /** @enum {string} */
            type: "resize";
        };
        /** @description Text frames of `/ws/sessions/{id}` from the server. Binary frames are terminal bytes. */
        SessionServerMessage: {
            /** @description Whether the run is live. */
            live: boolean;
            /**
             * Format: int64
             * @description The offset of the first byte that will be sent.
             */
            offset: number;
            /** @description The session. */
            session: string;
            /** @enum {string} */
            type: "ready";
        } | {
            /**
             * Format: int64
             * @description The offset of the next byte.
             */
            offset: number;
            /** @enum {string} */
            type: "skipped";
        } | {
            /** @enum {string} */
            type: "ended";
        } | {
            /** @description Why. */
            message: string;
            /** @enum {string} */
            type: "error";
        };
        /**
         * @description Where a session comes from.
         * @enum {string}
         */
        SessionSource: "run" | "made" | "discovered" | "container";
        /**
         * @description How the container of a session is.
         * @enum {string}
         */
        SessionState: "starting" | "running" | "stopping" | "stopped" | "failed";
        /** @description A session that can be attached to. */
        SessionView: {
            /**
             * Format: int64
             * @description Terminal bytes so far; none: nobody counts them.
             */
            bytes?: number | null;
            /** @description What runs in it: an agent, or a command; empty: a shell. */
            command: string;
            /**
             * Format: int64
             * @description When it was made, milliseconds since 1970 UTC.
             */
            created_at: number;
            /** @description Why it is so, as a sentence, where there is something to say. */
            detail?: string | null;
            /** @description Its id: the run's, or the name of one that stands free of runs. */
            id: string;
            /** @description Its image where one was named. */
            image?: string | null;
            /** @description Whether more than a recording is to come. */
            live: boolean;
            /** @description Who opened its container: an account's name, or what stands for a token. */
            owner?: string | null;
            /** @description Whether only its owner and admins may attach to it. */
            private: boolean;
            /** @description Its project; none: it has none. */
            project?: string | null;
            /** @description Its run; none: it stands free of runs. */
            run?: string | null;
            /** @description The ref of the project's mirror that holds what was on its volume when it stopped last. */
            saved_ref?: string | null;
            /** @description Where it comes from. */
            source: components["schemas"]["SessionSource"];
            state?: components["schemas"]["SessionState"] | null;
            /**
             * Format: int32
             * @description People attached now.
             */
            viewers: number;
        };
        /** @description The token to sign in with: the admin token, or an API token. */
        SignIn: {
            /** @description The secret. */
            token: string;
        };
        /** @description A source of work as observed. */
        SourceView: {
            /**
             * Format: int32
             * @description Rows.
             */
            items: number;
            /**
             * Format: int64
             * @description When it was last looked at, milliseconds since 1970 UTC.
             */
            looked_at?: number | null;
            /** @description `csv:priorities.csv`. */
            name: string;
            /** @description What is wrong, by line and column. */
            problems: components["schemas"]["ProblemView"][];
            /** @description Whether the last look could read it. */
            readable: boolean;
            /**
             * Format: int64
             * @description Since when it cannot be read, milliseconds since 1970 UTC; none when it can.
             */
            since?: number | null;
        };
        /** @description How many tasks are in a state. */
        StateCount: {
            /**
             * Format: int64
             * @description How many.
             */
            count: number;
            /** @description The state. */
            state: string;
        };
        /** @description `GET /api/v1/status`. */
        StatusView: {
            /** @description Runs whose agents ask people something, by id. */
            asking: string[];
            /** @description The engine: scheduler and runs. */
            engine: components["schemas"]["PartView"];
            /** @description What stands behind sandboxes' doors. */
            gateway: components["schemas"]["PartView"];
            /**
             * Format: int32
             * @description Live runs and how many there may be.
             */
            live_runs: number;
            /**
             * Format: int32
             * @description Write-backs that have not landed yet.
             */
            outbox_waiting: number;
            /** @description Whether nothing new starts, and why. */
            paused?: string | null;
            /** @description The runner. */
            runner: components["schemas"]["PartView"];
            /**
             * Format: int32
             * @description How many there may be.
             */
            slots: number;
            /** @description The sources. */
            sources: components["schemas"]["SourceView"][];
            /**
             * Format: int64
             * @description Milliseconds since 1970 UTC.
             */
            started_at: number;
            /** @description The store. */
            store: components["schemas"]["PartView"];
            /** @description Tasks by state. */
            tasks: components["schemas"]["StateCount"][];
            /** @description This program's version. */
            version: string;
        };
        /** @description A task as people see it. */
        TaskView: {
            /** @description What shall be done. */
            action: string;
            /** @description The agent that the row asks for. */
            agent?: string | null;
            /**
             * Format: int32
             * @description How many runs there have been.
             */
            attempts: number;
            block?: components["schemas"]["BlockView"] | null;
            /**
             * Format: int64
             * @description When it was made, milliseconds since 1970 UTC.
             */
            created_at: number;
            /** @description The day it is due, `YYYY-MM-DD`. */
            deadline?: string | null;
            /** @description What must be done before it starts. */
            depends_on: components["schemas"]["DependencyView"][];
            /** @description Its key. */
            id: string;
            /**
             * @description How its agent works, `headless` or `interactive`; none: as its project says.
             * @example interactive
             */
            mode?: string | null;
            /** @description The Model column. */
            model?: string | null;
            /** @description Whether it needs a GPU. */
            needs_gpu: boolean;
            /**
             * Format: int32
             * @description 1 first; 999 when it could not be read.
             */
            priority: number;
            /** @description Its project. */
            project: string;
            pull_request?: components["schemas"]["PullRequestView"] | null;
            run?: components["schemas"]["RunView"] | null;
            /** @description The source that it comes from: `csv:priorities.csv`. */
            source?: string | null;
            /** @description Where a person reads it at its source, if that is a page. */
            source_url?: string | null;
            /**
             * @description Where it stands.
             * @example queued
             */
            state: string;
            /** @description Its name in the tracker that it comes from, as people say it: `WEB-12`, `acme/web#12`. */
            ticket?: string | null;
            /**
             * Format: int64
             * @description When its state changed last, milliseconds since 1970 UTC.
             */
            updated_at: number;
            /** @description Why a queued task does not start yet, as a sentence. */
            waits_for?: string | null;
        };
        /** @description A token as people see it; the secret only in the answer that made it. */
        TokenView: {
            /**
             * Format: int64
             * @description Milliseconds since 1970 UTC.
             */
            created_at: number;
            /**
             * Format: int64
             * @description When it stops working.
             */
            expires_at?: number | null;
            /** @description Its id, for revoking. */
            id: string;
            /** @description What it is for. */
            label: string;
            /** @description `admin`, `write` or `read`. */
            scope: string;
            /** @description The secret, once. */
            secret?: string | null;
        };
        /** @description The shape of usage on the wire. */
        UsageView: {
            /**
             * Format: int64
             * @description Tokens read from the provider's cache.
             */
            cache_read_tokens: number;
            /**
             * Format: int64
             * @description Tokens written to the provider's cache.
             */
            cache_write_tokens: number;
            /**
             * Format: int64
             * @description Millionths of a US dollar.
             */
            cost_microusd: number;
            /**
             * Format: int64
             * @description Tokens read that no cache held.
             */
            input_tokens: number;
            /**
             * Format: int64
             * @description Tokens written.
             */
            output_tokens: number;
            /**
             * Format: int64
             * @description Requests that were answered.
             */
            requests: number;
        };
        /**
         * @description How a caller said who it is.
         * @enum {string}
         */
        Via: "bearer" | "cookie";
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    openapi_json: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OpenAPI 3.1 */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
        };
    };
    account_list: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AccountView"][];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    account_create: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewAccount"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AccountView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body took too long to arrive */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Its state does not allow it now */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body is too long */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body is not JSON */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    account_change: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description What the person signs in as */
                username: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AccountChange"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AccountView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body took too long to arrive */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Its state does not allow it now */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body is too long */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body is not JSON */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    account_delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description What the person signs in as */
                username: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    config_reload: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReloadView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    events: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A stream of events */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["Event"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    logs: {
        parameters: {
            query?: {
                /** @description Only at this moment or later, milliseconds since 1970 UTC. */
                since?: number;
                /** @description Only after the line of this number. */
                after?: number;
                /** @description Only about this run. */
                run?: string;
                /** @description Whether to go on as new lines come. */
                follow?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One object a line */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": components["schemas"]["LogLine"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    me: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Me"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    project_list: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProjectView"][];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    retention_show: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RetentionView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    retention_apply: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RetentionView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Its state does not allow it now */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    review_list: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReviewView"][];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    review_show: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The task's key */
                task: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReviewView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    review_approve: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The task's key */
                task: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TaskView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Its state does not allow it now */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    review_diff: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The task's key */
                task: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DiffView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    review_reject: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The task's key */
                task: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Reject"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TaskView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body took too long to arrive */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Its state does not allow it now */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body is too long */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body is not JSON */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    run_list: {
        parameters: {
            query?: {
                /** @description Only of this task. */
                task?: string;
                /** @description At most this many, 1 to 1000; 100 when it is left out. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunView"][];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    run_show: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunDetail"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    run_answer: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AnswerQuestion"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body took too long to arrive */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Its state does not allow it now */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body is too long */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body is not JSON */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    run_diff: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DiffView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    run_events: {
        parameters: {
            query?: {
                /** @description Only what comes after this row; 0 when it is left out. */
                after?: number;
                /** @description At most this many, 1 to 1000; 100 when it is left out. */
                limit?: number;
            };
            header?: never;
            path: {
                /** @description The run's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_RunEvent"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    run_say: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Say"];
            };
        };
        responses: {
            /** @description Passed on */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body took too long to arrive */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Its state does not allow it now */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body is too long */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body is not JSON */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    run_stop: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunDetail"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Its state does not allow it now */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    run_terminal: {
        parameters: {
            query?: {
                /** @description The first byte that is wanted, counted from the run's first; 0 when it is left out. */
                from?: number;
                /** @description Whether to go on until the run ends, as new bytes come. */
                follow?: boolean;
            };
            header?: never;
            path: {
                /** @description The run's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Terminal bytes */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": number[];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    session_list: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionView"][];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    session_create: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewSession"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body took too long to arrive */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Its state does not allow it now */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body is too long */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body is not JSON */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    session_show: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    session_delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RemovedSession"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Its state does not allow it now */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    session_start: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Its state does not allow it now */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    session_stop: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Its state does not allow it now */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    sign_in: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SignIn"];
            };
        };
        responses: {
            200: {
                headers: {
                    /** @description The session */
                    "Set-Cookie"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Me"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No such token, or it is over */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The page that asks is not of this server */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body is not JSON */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Too many wrong tokens from this address */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The store does not answer */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    sign_out: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Signed out */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    status: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StatusView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    task_list: {
        parameters: {
            query?: {
                /** @description Only these states, with commas between: `queued,running`. */
                state?: string;
                /** @description Only of this project. */
                project?: string;
                /** @description Only what comes after this key (a page's `next`). */
                after?: string;
                /** @description At most this many, 1 to 1000; 200 when it is left out. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_TaskView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    task_add: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewTask"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TaskView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body took too long to arrive */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Its state does not allow it now */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body is too long */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body is not JSON */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    task_show: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The task's key */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TaskView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    task_approve: {
        parameters: {
            query?: {
                /** @description `headless` or `interactive`; left out: as the task or its project says, and a ticket is opened interactively. */
                mode?: string;
            };
            header?: never;
            path: {
                /** @description The task's key */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TaskView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Its state does not allow it now */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    task_block: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The task's key */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["BlockTask"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TaskView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body took too long to arrive */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Its state does not allow it now */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body is too long */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body is not JSON */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    task_retry: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The task's key */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TaskView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Its state does not allow it now */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    task_start: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The task's key */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TaskView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Its state does not allow it now */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    task_stop: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The task's key */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TaskView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Its state does not allow it now */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    token_list: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TokenView"][];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    token_create: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewToken"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TokenView"];
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body took too long to arrive */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Its state does not allow it now */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body is too long */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The body is not JSON */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    token_revoke: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The token's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is over */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
        };
    };
    metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Prometheus text format */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    ready: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReadyView"];
                };
            };
            /** @description Not ready */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReadyView"];
                };
            };
        };
    };
    session_terminal: {
        parameters: {
            query?: {
                /** @description The first byte that is wanted; what a newcomer should see when it is left out. */
                from?: number;
                /** @description The token, for clients that can set no header; it is as good there as in `Authorization`. */
                token?: string;
            };
            header?: never;
            path: {
                /** @description The session's id: its run's, or the name of one that stands free of runs */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The WebSocket */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What was sent makes no sense */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No credentials, or ones that are not good */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The credentials do not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description There is no such thing */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description The Host header names no address that this server is known by */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No WebSocket was asked for */
            426: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description A defect; the log says more */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Something that it needs does not answer now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
}
