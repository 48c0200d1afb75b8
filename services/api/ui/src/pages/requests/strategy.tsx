/* strategy: what a request would do: its steps in their order, its cost, and whether it would begin. */
import type { JSX } from "preact";
import { Card, Chip, Facts, duration } from "../../kit/index.ts";

interface Step {
	step: string;
	domain: string;
	needs: string[];
	operation?: string;
	calls?: string;
	members?: { node: string; connected: boolean; breaker: string; failures: number }[];
	agents?: { node: string; state: string }[];
}

export interface Strategy {
	task_id: string;
	priority: string;
	deadline_ms: number;
	score: number;
	units: number;
	permissions: string[];
	admission: {
		verdict: string;
		wait_ms: number;
		slots: number;
		used: number;
		waiting: number;
		mode: string;
	};
	stages: { stage: number; steps: Step[] }[];
}

const verdicts: Record<string, string> = {
	begin: "begins at once",
	wait: "waits for its turn",
	refuse_full: "is refused: too many wait",
	refuse_late: "is refused: it would be too late",
};

export function StrategyCard({ strategy: s }: { strategy: Strategy }): JSX.Element {
	const { verdict, wait_ms, used, slots, waiting } = s.admission;

	return (
		<>
			<Card title="What it would do">
				<Facts
					items={[
						[
							"Now it",
							<span key="v">
								<Chip state={verdict} tone={verdict === "begin" ? "good" : "warn"} />{" "}
								{verdicts[verdict] ?? verdict}
								{wait_ms > 0 && `, some ${duration(wait_ms)}`}
							</span>,
						],
						["Slots", `${used} of ${slots} in use, ${waiting} wait`],
						["Priority", s.priority],
						["Deadline", duration(s.deadline_ms)],
						["Complexity", `${s.score}, counts as ${s.units}`],
						["Permissions", s.permissions.join(", ") || "none"],
					]}
				/>
			</Card>
			{s.stages.map((stage) => (
				<Card key={stage.stage} title={`Stage ${stage.stage}`}>
					<ul class="plain-list">
						{stage.steps.map((step) => (
							<li key={`${step.step} ${step.domain}`}>
								<StepLine step={step} />
							</li>
						))}
					</ul>
				</Card>
			))}
		</>
	);
}

function StepLine({ step: s }: { step: Step }): JSX.Element {
	return (
		<div class="stack tight">
			<span>
				<strong>{s.step}</strong> {s.domain} <span class="mono">{s.calls ?? s.operation}</span>{" "}
				{s.needs.length > 0 && <span class="muted">after {s.needs.join(", ")}</span>}
			</span>
			<span class="row tight">
				{(s.members ?? []).map((m) => (
					<Chip
						key={m.node}
						state={m.connected ? `${m.node} ${m.breaker}` : `${m.node} not connected`}
						tone={m.connected && m.breaker === "closed" ? "good" : "bad"}
					/>
				))}
				{(s.agents ?? []).map((a) => (
					<Chip key={a.node} state={`${a.node} ${a.state}`} tone={a.state === "READY" ? "good" : "warn"} />
				))}
			</span>
		</div>
	);
}
