/** Submission: no program of it is offered yet; its charter is in the README beside. */
export {}
