/* me: who is signed in and what he may. The server decides each time; this is for what to show. */
import { useEffect, useState } from "preact/hooks";

export interface Me {
	id: string;
	name: string;
	kind: "person" | "service";
	roles: string[];
	groups: string[];
	permissions: string[];
	limited: boolean;
	scopes: string[];
	session_id?: string | null;
	authenticated_at?: string | null;
}

let current: Me | null = null;
const listeners = new Set<() => void>();

export function setMe(me: Me | null): void {
	current = me;
	for (const l of listeners)
		l();
}

export function me(): Me | null {
	return current;
}

export function useMe(): Me | null {
	const [, again] = useState(0);

	useEffect(() => {
		const changed = (): void => again((n) => n + 1);
		listeners.add(changed);
		return () => void listeners.delete(changed);
	}, []);
	return current;
}

/* May he, everywhere and always? "task.update"; null: whoever. */
export function may(permission: string | null): boolean {
	if (permission === null)
		return true;
	return current?.permissions.some((p) => covers(p, permission)) ?? false;
}

/* "*" covers all, "task.*" all that begins with "task.", "*.read" all that ends with ".read". */
function covers(pattern: string, permission: string): boolean {
	if (pattern === "*" || pattern === permission)
		return true;
	if (pattern.startsWith("*."))
		return permission.endsWith(pattern.slice(1));
	return pattern.endsWith(".*") && permission.startsWith(pattern.slice(0, -1));
}
