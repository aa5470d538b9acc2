//! autopilot
