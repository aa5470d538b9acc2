//! A request's way through the services: threads, CPU bursts and calls.

use tidegate_core::{Span, Time};
use tidegate_workloads::application::{Deployment, Service};
use tidegate_workloads::plan::Draws;

use super::{Event, World, take_thread};

/// Marks a task of a container's background thread.
pub(super) const BACKGROUND: u32 = 1 << 31;

/// Stands for the client, or for nobody, as a call's caller.
const CLIENT: u32 = u32::MAX;
const NOBODY: u32 = u32::MAX - 1;

/// The container of a call that has none, or none yet.
pub(super) const NOWHERE: u32 = u32::MAX;

/// A request in service.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    draws: Draws,
    connection: u32,
    /// Frames that belong to it.
    frames: u32,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Free,
    /// On its way to the service or waiting for a thread.
    Waiting,
    /// Using CPU, or waiting for it, before the reply.
    OnPath,
    /// Waiting for the calls it made.
    Calling,
    /// Waiting for memory.
    Stalled,
    /// Using CPU after the reply.
    OffPath,
}

/// A call in service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) generation: u32,
    pub(super) phase: Phase,
    request: u32,
    node: u32,
    parent: u32,
    parent_generation: u32,
    container: u32,
    /// Made by a call in the same container.
    inner: bool,
    thread: u16,
    stage: u16,
    pending: u16,
    failed: bool,
    /// CPU between two stages, and after the reply, in nanoseconds.
    segment: u64,
    rest: u64,
    /// CPU before all else: the function's initialisation.
    init: u64,
}

impl World<'_, '_> {
    /// A request of `connection`, with all that is random about its `number`.
    pub(super) fn new_request(&mut self, number: u64, connection: u32) -> u32 {
        let index = match self.free_requests.pop() {
            Some(index) => index,
            None => {
                self.requests.push(Request::default());
                (self.requests.len() - 1) as u32
            }
        };
        let request = &mut self.requests[index as usize];
        request.connection = connection;
        request.frames = 0;
        let seed = self.experiment.seed;
        self.plan.draw(seed, number, &mut request.draws);
        index
    }

    /// The request's root call reaches its service at `arrival`; detached calls
    /// go out with it.
    pub(super) fn start_request(&mut self, request: u32, arrival: Time) {
        self.call(request, 0, CLIENT, 0, arrival);
        let kind = self.requests[request as usize].draws.kind as usize;
        for index in 0..self.plan.kinds[kind].detached.len() {
            let node = self.plan.kinds[kind].detached[index];
            self.call(request, node, NOBODY, 0, arrival);
        }
    }

    fn call(&mut self, request: u32, node: u32, parent: u32, parent_generation: u32, at: Time) {
        self.requests[request as usize].frames += 1;
        let kind = self.requests[request as usize].draws.kind as usize;
        let service = self.plan.kinds[kind].nodes[node as usize].service;
        // A function's calls to itself stay in its pod.
        let home = self.homes[service as usize];
        let inside = parent < NOBODY && home == NOWHERE && self.service(parent) == service;
        let (container, inner) = match inside {
            true => (self.container(parent), true),
            false => (home, false),
        };
        let fresh = Frame {
            generation: 0,
            phase: Phase::Waiting,
            request,
            node,
            parent,
            parent_generation,
            container,
            inner,
            thread: 0,
            stage: 0,
            pending: 0,
            failed: false,
            segment: 0,
            rest: 0,
            init: 0,
        };
        let frame = match self.free_frames.pop() {
            Some(index) => {
                let generation = self.frames[index as usize].generation;
                self.frames[index as usize] = Frame {
                    generation,
                    ..fresh
                };
                index
            }
            None => {
                self.frames.push(fresh);
                (self.frames.len() - 1) as u32
            }
        };
        // Within a pod nothing goes over the network.
        let at = if inner { self.queue.now() } else { at };
        self.queue.at(at, Event::Arrive { frame });
    }

    /// The container a call goes to.
    pub(super) fn container(&self, frame: u32) -> u32 {
        self.frames[frame as usize].container
    }

    /// The service a call goes to.
    pub(super) fn service(&self, frame: u32) -> u32 {
        let frame = &self.frames[frame as usize];
        let kind = self.requests[frame.request as usize].draws.kind;
        self.plan.kinds[kind as usize].nodes[frame.node as usize].service
    }

    /// A call reaches its service: it gets a thread or waits for one. While the
    /// container is down its callers wait for it to come back.
    pub(super) fn arrive(&mut self, frame: u32) {
        let container = self.container(frame);
        if container == NOWHERE {
            self.arrive_outside(frame);
            return;
        }
        let instance = &mut self.instances[container as usize];
        if instance.gone {
            self.fail_call(frame);
            return;
        }
        match instance.up.then(|| take_thread(instance)).flatten() {
            Some(thread) => self.serve(frame, container, thread),
            None => self.instances[container as usize].queue.push_back(frame),
        }
    }

    /// A call reaches a service without a container of its own.
    fn arrive_outside(&mut self, frame: u32) {
        let services = &self.experiment.application.services;
        let service = &services[self.service(frame) as usize];
        if service.deployment == Deployment::External {
            let work = self.path_work(frame, service);
            self.queue
                .after(Span(work as u64), Event::Outside { frame });
        } else {
            self.submit(frame);
        }
    }

    /// An external service answers.
    pub(super) fn outside_done(&mut self, frame: u32) {
        self.answer(frame, false);
        self.free_frame(frame);
    }

    /// The call gets a pod, which initialises the function first if it is new.
    pub(super) fn run_in_pod(&mut self, frame: u32, container: u32, init: Span) {
        let call = &mut self.frames[frame as usize];
        call.container = container;
        call.init = init.0;
        self.arrive(frame);
    }

    /// The client sends a call again later.
    pub(super) fn retry(&mut self, frame: u32, after: Span) {
        self.queue.after(after, Event::Arrive { frame });
    }

    /// A thread takes a call.
    fn serve(&mut self, frame: u32, container: u32, thread: u16) {
        self.frames[frame as usize].thread = thread;
        self.draw_work(frame, container);
        let inner = self.frames[frame as usize].inner;
        let instance = &mut self.instances[container as usize];
        if !inner {
            instance.memory.enter();
        }
        if instance.memory.over() || instance.oom_waiting {
            self.frames[frame as usize].phase = Phase::Stalled;
            instance.stalled.push(frame);
            self.out_of_memory(container);
        } else {
            self.run_segment(frame, container);
        }
    }

    /// The time a call takes of a core: lognormal around its mean.
    fn path_work(&self, frame: u32, service: &Service) -> f64 {
        let call = &self.frames[frame as usize];
        let request = &self.requests[call.request as usize];
        let node = &self.plan.kinds[request.draws.kind as usize].nodes[call.node as usize];
        let normal = request.draws.normals[call.node as usize];
        service.runtime.work(node.cpu, normal)
    }

    /// The CPU time of a call: more while a just-in-time compiler warms up.
    fn draw_work(&mut self, frame: u32, container: u32) {
        let mut work = self.path_work(frame, self.instances[container as usize].service);
        let call = &self.frames[frame as usize];
        let request = &self.requests[call.request as usize];
        let node = &self.plan.kinds[request.draws.kind as usize].nodes[call.node as usize];
        let stages = node.stages.len() as u64;
        let instance = &mut self.instances[container as usize];
        let runtime = &instance.service.runtime;
        let mut compile = 0;
        if let Some(warm_up) = &runtime.warm_up {
            let (factor, compiling) = warm_up.at(instance.served);
            work *= factor;
            compile = compiling.0;
        }
        let path = work * runtime.path_share;
        let call = &mut self.frames[frame as usize];
        call.segment = ((path / (stages + 1) as f64) as u64).max(1);
        call.rest = (work - path) as u64;
        instance.served += 1;
        if compile > 0 {
            self.add_background(container, compile);
        }
    }

    /// A call gets CPU up to its next stage, or to its reply.
    pub(super) fn run_segment(&mut self, frame: u32, container: u32) {
        let call = &mut self.frames[frame as usize];
        call.phase = Phase::OnPath;
        let work = call.segment + std::mem::take(&mut call.init);
        let instance = &mut self.instances[container as usize];
        self.machine.start(
            self.queue.now(),
            container,
            &mut instance.threads[usize::from(call.thread)],
            frame,
            work,
            &mut self.queue,
        );
    }

    /// A thread has finished its burst of CPU.
    pub(super) fn task_finished(&mut self, container: u32, cpu: u16, task: u32) {
        let now = self.queue.now();
        if task & BACKGROUND != 0 {
            let instance = &mut self.instances[container as usize];
            let work = std::mem::take(&mut instance.background_work);
            if work > 0 {
                self.machine
                    .proceed(now, container, cpu, task, work, &mut self.queue);
            } else {
                instance.background_runs = false;
                self.machine.idle(now, container, cpu, &mut self.queue);
            }
            return;
        }
        let frame = task;
        let call = &self.frames[frame as usize];
        if call.phase == Phase::OffPath {
            self.machine.idle(now, container, cpu, &mut self.queue);
            self.leave(frame, container);
            return;
        }
        let request = &self.requests[call.request as usize];
        let kind = &self.plan.kinds[request.draws.kind as usize];
        let node = &kind.nodes[call.node as usize];
        let stage = node.stages.get(usize::from(call.stage)).copied();
        match stage.filter(|_| !call.failed) {
            Some((begin, end)) => {
                self.machine.idle(now, container, cpu, &mut self.queue);
                let (request, generation) = (call.request, call.generation);
                let call = &mut self.frames[frame as usize];
                call.phase = Phase::Calling;
                call.pending = (end - begin) as u16;
                let at = now + self.experiment.testbed.network.hop;
                let kind = self.requests[request as usize].draws.kind as usize;
                for child in begin..end {
                    let node = self.plan.kinds[kind].children[child as usize];
                    self.call(request, node, frame, generation, at);
                }
            }
            None => {
                let rest = call.rest;
                let failed = call.failed;
                self.answer(frame, failed);
                if rest > 0 {
                    self.frames[frame as usize].phase = Phase::OffPath;
                    self.machine
                        .proceed(now, container, cpu, frame, rest, &mut self.queue);
                } else {
                    self.machine.idle(now, container, cpu, &mut self.queue);
                    self.leave(frame, container);
                }
            }
        }
    }

    /// Sends a call's reply to whoever made it.
    fn answer(&mut self, frame: u32, failed: bool) {
        let now = self.queue.now();
        let hop = self.experiment.testbed.network.hop;
        let call = &self.frames[frame as usize];
        let (request, parent) = (call.request, call.parent);
        let kind = self.requests[request as usize].draws.kind as usize;
        let next = self.plan.kinds[kind].nodes[call.node as usize].next;
        match parent {
            NOBODY | CLIENT if next.is_some() && !failed => {
                // Made several times in a row by whoever is outside.
                if let Some(next) = next {
                    self.call(request, next, parent, 0, now + hop + hop);
                }
            }
            NOBODY => {}
            CLIENT => {
                let request = &self.requests[request as usize];
                let (id, failed) = (request.connection, failed || request.draws.fails);
                let intended = self.connections[id as usize].intended;
                match self.experiment.client.poll {
                    Some(poll) => {
                        // The client finds the answer when it looks next.
                        let since = (now + hop).since(self.origin).0;
                        let seen = self.origin + Span(since.div_ceil(poll.0) * poll.0);
                        self.recorder.reply(seen, intended, failed);
                        self.task_answered(seen);
                        self.next_request(id, seen);
                    }
                    None => {
                        self.recorder.reply(now + hop, intended, failed);
                        self.task_answered(now + hop);
                        self.next_request(id, now);
                    }
                }
            }
            parent => {
                let event = Event::Reply {
                    frame: parent,
                    generation: call.parent_generation,
                    node: call.node,
                    failed,
                };
                let way = if call.inner { Span::ZERO } else { hop };
                self.queue.after(way, event);
            }
        }
    }

    /// A reply reaches the caller, if it still waits.
    pub(super) fn reply(&mut self, frame: u32, generation: u32, node: u32, failed: bool) {
        let call = &mut self.frames[frame as usize];
        if call.generation != generation || call.phase != Phase::Calling {
            return;
        }
        call.failed |= failed;
        let (request, failed) = (call.request, call.failed);
        let kind = self.requests[request as usize].draws.kind as usize;
        if let Some(next) = self.plan.kinds[kind].nodes[node as usize].next
            && !failed
        {
            let at = self.queue.now() + self.experiment.testbed.network.hop;
            self.call(request, next, frame, generation, at);
            return;
        }
        let call = &mut self.frames[frame as usize];
        call.pending -= 1;
        if call.pending == 0 {
            call.stage += 1;
            let container = self.container(frame);
            self.run_segment(frame, container);
        }
    }

    /// A call is over: its thread takes the next one.
    fn leave(&mut self, frame: u32, container: u32) {
        let thread = self.frames[frame as usize].thread;
        let inner = self.frames[frame as usize].inner;
        self.free_frame(frame);
        let instance = &mut self.instances[container as usize];
        instance.idle_threads.push_back(thread);
        let pod = instance.pod;
        if !inner {
            instance.memory.leave();
        }
        self.serve_waiting(container);
        if let Some(pod) = pod.filter(|_| !inner) {
            self.pod_finished(pod);
        }
    }

    /// Waiting calls get the threads that are idle.
    pub(super) fn serve_waiting(&mut self, container: u32) {
        loop {
            let instance = &mut self.instances[container as usize];
            if !instance.up || instance.queue.is_empty() {
                return;
            }
            let Some(thread) = take_thread(instance) else {
                return;
            };
            if let Some(frame) = instance.queue.pop_front() {
                self.serve(frame, container, thread);
            }
        }
    }

    fn free_frame(&mut self, frame: u32) {
        let call = &mut self.frames[frame as usize];
        call.phase = Phase::Free;
        call.generation = call.generation.wrapping_add(1);
        let request = call.request;
        self.free_frames.push(frame);
        self.requests[request as usize].frames -= 1;
        if self.requests[request as usize].frames == 0 {
            self.free_requests.push(request);
        }
    }

    /// The calls a killed container had in service fail.
    pub(super) fn fail_calls(&mut self, container: u32) {
        for frame in 0..self.frames.len() as u32 {
            let phase = self.frames[frame as usize].phase;
            let served = !matches!(phase, Phase::Free | Phase::Waiting);
            if served && self.container(frame) == container {
                self.fail_call(frame);
            }
        }
    }

    /// A call fails; whoever waits for its reply is told.
    pub(super) fn fail_call(&mut self, frame: u32) {
        if self.frames[frame as usize].phase != Phase::OffPath {
            self.answer(frame, true);
        }
        self.free_frame(frame);
    }

    /// Whether the frame's call waits for memory.
    pub(super) fn is_stalled(&self, frame: u32) -> bool {
        self.frames[frame as usize].phase == Phase::Stalled
    }
}
