//! The manager against a world that keeps its promises and breaks everything else.

mod world;

mod faults;

mod course;

mod crash;

mod room;
