"""What an action's author uses: YAML to manifest bytes, calibration of biases, analysis."""
